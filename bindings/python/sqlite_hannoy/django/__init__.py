"""Vectors of Django's models.

    INSTALLED_APPS = [..., "sqlite_hannoy.django"]     # loads the extension into SQLite connections

    class Article(models.Model):
        title = models.CharField(max_length=100)
        embedding = VectorField(dim=384, null=True)

    operations = [..., AddVectorIndex("Article", "article_near", "embedding", columns=["lang"])]

    nearest(Article.objects.filter(lang="en"), "article_near", vector, k=10)
"""

from .fields import VectorField
from .operations import AddVectorIndex
from .search import nearest

__all__ = ["AddVectorIndex", "VectorField", "nearest"]
