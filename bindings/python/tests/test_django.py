"""The field and the migration operation for Django, in a project with migrations."""

import os
import sys
import tempfile
import unittest

from available import LOADS, has

READY = has("django")

MODELS = """
from django.db import models
from sqlite_hannoy.django import VectorField

class Author(models.Model):
    name = models.CharField(max_length=20)

class Article(models.Model):
    title = models.CharField(max_length=200)
    lang = models.CharField(max_length=2)
    author = models.ForeignKey(Author, models.CASCADE, null=True)
    embedding = VectorField(dim=2, null=True)
"""
MIGRATIONS = {
    "0001_initial": ("", """
        migrations.CreateModel("Author", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False,
                                       verbose_name="ID")),
            ("name", models.CharField(max_length=20)),
        ]),
        migrations.CreateModel("Article", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False,
                                       verbose_name="ID")),
            ("title", models.CharField(max_length=100)),
            ("lang", models.CharField(max_length=2)),
            ("author", models.ForeignKey("blog.author", models.CASCADE, null=True)),
            ("embedding", VectorField(dim=2, null=True)),
        ]),
    """),
    "0002_index": ('("blog", "0001_initial")', """
        AddVectorIndex("Article", "article_near", "embedding", metric="l2", columns=["lang"]),
    """),
    "0003_longer": ('("blog", "0002_index")', """
        migrations.AlterField("Article", "title", models.CharField(max_length=200)),
    """),
}
MIGRATION = """
from django.db import migrations, models
from sqlite_hannoy.django import AddVectorIndex, VectorField

class Migration(migrations.Migration):
    dependencies = [{}]
    operations = [{}]
"""


@unittest.skipUnless(READY and LOADS, "no Django, or nothing loads extensions")
class Django(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import django
        from django.conf import settings

        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        app = os.path.join(cls.folder.name, "blog")
        os.makedirs(os.path.join(app, "migrations"))
        files = {"__init__": "", "models": MODELS, "migrations/__init__": ""}
        for name, (before, operations) in MIGRATIONS.items():
            files["migrations/" + name] = MIGRATION.format(before, operations)
        for name, text in files.items():
            with open(os.path.join(app, name + ".py"), "w", encoding="utf-8") as file:
                file.write(text)
        sys.path.insert(0, cls.folder.name)
        cls.addClassCleanup(sys.path.remove, cls.folder.name)
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                                   "NAME": os.path.join(cls.folder.name, "app.db")}},
            INSTALLED_APPS=["sqlite_hannoy.django", "blog"],
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
        django.setup()

    def setUp(self):
        from django.core.management import call_command
        from django.db import connection

        self.migrate = lambda name: call_command("migrate", "blog", name, verbosity=0)
        self.migrate("zero")
        self.migrate("0002")
        self.addCleanup(connection.close)
        self.cursor = connection.cursor()

    def add(self, count=30):
        from blog.models import Article, Author

        author = Author.objects.create(name="A")
        Article.objects.bulk_create([
            Article(title=f"a{i}", lang=("en", "de")[i % 2], embedding=[i, 1],
                    author=author if i % 3 == 0 else None)
            for i in range(count)
        ])
        Article.objects.create(title="none yet", lang="en")

    def nearest(self, queryset, *arguments):
        from sqlite_hannoy.django import nearest

        return [(one.title, one.distance)
                for one in nearest(queryset, "article_near", *arguments)]

    def info(self, key):
        self.cursor.execute("SELECT value FROM hannoy_info('article_near') WHERE key = %s", [key])
        return self.cursor.fetchone()[0]

    def test_search(self):
        from blog.models import Article

        self.add()
        self.assertEqual(self.nearest(Article.objects.all(), [9.25, 1], 2),
                         [("a9", 0.25), ("a10", 0.75)])
        even = Article.objects.filter(lang="en")
        self.assertEqual(self.nearest(even, [9.25, 1], 2), [("a10", 0.75), ("a8", 1.25)])
        by_author = Article.objects.filter(author__name="A").exclude(title="a9")
        self.assertEqual(self.nearest(by_author, [9.25, 1], 2), [("a12", 2.75), ("a6", 3.25)])
        some = Article.objects.order_by("pk")[:3]
        self.assertEqual(len(self.nearest(some, [9.25, 1], 9)), 3)
        self.assertEqual(self.nearest(Article.objects.none(), [9.25, 1]), [])
        self.assertEqual(len(self.nearest(Article.objects.all(), [0, 1])), 10)
        self.cursor.execute("SELECT count(*) FROM article_near WHERE lang = 'de'")
        self.assertEqual(self.cursor.fetchone(), (15,))

    def test_values(self):
        from blog.models import Article
        from django.core import serializers
        from django.core.exceptions import ValidationError

        one = Article.objects.create(title="t", lang="en", embedding=(1, 2))
        self.assertEqual(Article.objects.get(pk=one.pk).embedding, [1, 2])
        self.assertEqual(Article.objects.filter(embedding=[1, 2]).count(), 1)
        Article.objects.update(embedding=b"\0" * 8)
        self.assertEqual(Article.objects.get(pk=one.pk).embedding, [0, 0])
        text = serializers.serialize("json", Article.objects.all())
        Article.objects.all().delete()
        for restored in serializers.deserialize("json", text):
            restored.save()
        self.assertEqual(Article.objects.get(pk=one.pk).embedding, [0, 0])
        with self.assertRaisesRegex(ValidationError, "embedding has 2 numbers, not 3"):
            Article.objects.create(title="t", lang="en", embedding=[1, 2, 3])

    def test_changes(self):
        from blog.models import Article
        from django.db import transaction

        self.add()
        before = self.nearest(Article.objects.all(), [9, 1], 2)
        with self.assertRaises(KeyError), transaction.atomic():
            article = Article.objects.get(title="a9")
            article.embedding = [99, 1]
            article.save()
            Article.objects.filter(title="a8").delete()
            self.assertEqual([title for title, _ in
                              self.nearest(Article.objects.all(), [9, 1], 2)], ["a10", "a7"])
            raise KeyError
        self.assertEqual(self.nearest(Article.objects.all(), [9, 1], 2), before)

    def test_alter_field(self):
        """It makes the table anew; the index follows the writes after it as before."""
        from blog.models import Article

        self.add()
        for name in ("0003", "0002"):
            self.migrate(name)
            self.assertNotIn("triggers", self.info("state"))
            self.assertEqual(self.info("rows"), 30)
            Article.objects.filter(title="a9").update(embedding=[99, 1])
            self.assertEqual(self.nearest(Article.objects.all(), [99, 1], 1), [("a9", 0)])
            self.cursor.execute("SELECT hannoy_check('article_near')")
            self.assertEqual(self.cursor.fetchone(), ("ok",))
            Article.objects.filter(title="a9").update(embedding=[9, 1])

    def test_state(self):
        """The models and the migrations say the same; the index goes when it is undone."""
        from django.core.management import call_command

        self.migrate("0003")
        call_command("makemigrations", "blog", check=True, dry_run=True, verbosity=0)
        self.migrate("0001")
        self.cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE '%near%'")
        self.assertEqual(self.cursor.fetchall(), [])

    def test_written(self):
        from django.db.migrations.writer import MigrationWriter
        from sqlite_hannoy.django import AddVectorIndex, VectorField

        text = MigrationWriter.serialize(VectorField(dim=3, null=True))
        self.assertEqual(text[0], "sqlite_hannoy.django.VectorField(dim=3, null=True)")
        name, arguments, options = AddVectorIndex("A", "n", "f", columns=["c"]).deconstruct()
        again = AddVectorIndex(*arguments, **options)
        self.assertEqual(again.deconstruct(), (name, arguments, options))
