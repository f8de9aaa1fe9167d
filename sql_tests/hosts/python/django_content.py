"""Django: a model, and an index over a column of its table.  django_content.py EXTENSION FOLDER

The index is made by a migration's RunSQL, and triggers keep it in step with what the ORM writes.
"""

import array
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings
from django.db import connection, connections, models, transaction
from django.db.backends.signals import connection_created
from django.db.migrations.operations import CreateModel, RunSQL
from django.db.migrations.state import ProjectState

EXTENSION, DATABASE = sys.argv[1], sys.argv[2] + "/django.db"
QUERY = array.array("f", [700.25, 1]).tobytes()

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE,
            "OPTIONS": {"timeout": 60},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()


def load_extension(sender, connection, **kwargs):
    connection.connection.enable_load_extension(True)
    connection.connection.load_extension(EXTENSION)
    connection.connection.enable_load_extension(False)


connection_created.connect(load_extension)


class Article(models.Model):
    title = models.CharField(max_length=100)
    lang = models.CharField(max_length=2)
    embedding = models.BinaryField(null=True)

    class Meta:
        app_label = "blog"
        db_table = "blog_article"


operations = [
    CreateModel(
        "Article",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=100)),
            ("lang", models.CharField(max_length=2)),
            ("embedding", models.BinaryField(null=True)),
        ],
        options={"db_table": "blog_article"},
    ),
    RunSQL(
        """CREATE VIRTUAL TABLE blog_near USING hannoy(content=blog_article, content_rowid=id,
                vector=embedding, dim=2, metric=l2, lang TEXT)""",
        "DROP TABLE blog_near",
    ),
]
state = ProjectState()
for operation in operations:  # what `manage.py migrate` does
    after = state.clone()
    operation.state_forwards("blog", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("blog", editor, state, after)
    state = after


def blob(x):
    return array.array("f", [x, 1]).tobytes()


def search(lang, k):
    found = Article.objects.raw(
        """SELECT a.*, n.distance FROM blog_near n JOIN blog_article a ON a.id = n.rowid
            WHERE knn_match(n.vector, %s) AND n.lang = %s AND n.k = %s ORDER BY n.distance""",
        [QUERY, lang, k],
    )
    return [(article.title, article.distance) for article in found]


NEAREST = [("a700", 0.25), ("a702", 1.75), ("a698", 2.25)]

Article.objects.bulk_create(
    [
        Article(title=f"a{i}", lang="de" if i % 2 else "en", embedding=blob(i))
        for i in range(1, 1501)
    ]
)
Article.objects.create(title="not embedded yet", lang="en")
assert search("en", 3) == search("en", "3") == NEAREST

# save(), QuerySet.update() and delete() reach the index by the triggers; atomic() takes them back.
try:
    with transaction.atomic():
        article = Article.objects.get(title="a700")
        article.embedding = blob(9)
        article.save()
        Article.objects.filter(title="a702").update(lang="de")
        Article.objects.filter(title="a698").delete()
        assert search("en", 2) == [("a704", 3.75), ("a696", 4.25)]
        raise ValueError
except ValueError:
    pass
assert search("en", 3) == NEAREST

# Filtered by the ORM: the ids found are a condition like any other.
with connection.cursor() as cursor:
    cursor.execute("SELECT rowid FROM blog_near(%s, %s)", [QUERY, 4])
    ids = [row[0] for row in cursor]
assert list(
    Article.objects.filter(pk__in=ids, lang="de").order_by("pk").values_list("title", flat=True)
) == ["a699", "a701"]


def work(n):
    try:
        for i in range(20):
            assert search("en", 3) == NEAREST
            Article.objects.create(title=f"t{n}", lang="de", embedding=blob(5000 * n + i))
    finally:
        connections.close_all()


with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(1, 5)))
assert Article.objects.count() == 1581

connections.close_all()  # the next query opens it again
assert search("en", 3) == NEAREST
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM blog_near")
    assert cursor.fetchone() == (1580,)
    cursor.execute("INSERT INTO blog_near(blog_near) VALUES ('integrity-check')")
    tables = connection.introspection.table_names(cursor)
    assert "blog_article" in tables
    names = [
        column.name
        for column in connection.introspection.get_table_description(cursor, "blog_near")
    ]
    assert "lang" in names, names
assert os.path.exists(DATABASE)
print("1 passed, 0 failed")
