"""Loads the extension into the connections, and mends indexes after migrations."""

from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

from .._loading import load


class HannoyConfig(AppConfig):
    name = "sqlite_hannoy.django"
    label = "sqlite_hannoy"
    verbose_name = "hannoy"

    def ready(self) -> None:
        connection_created.connect(load_extension, dispatch_uid="sqlite_hannoy")
        post_migrate.connect(mend_indexes, dispatch_uid="sqlite_hannoy")


def load_extension(sender: Any, connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "sqlite":
        load(connection.connection)


def mend_indexes(sender: Any, using: str, **kwargs: Any) -> None:
    """AlterField makes a table anew, without the triggers of the index; a build creates them."""
    from django.db import connections

    if connections[using].vendor != "sqlite":
        return
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT schema, name FROM hannoy_tables() WHERE state LIKE 'the triggers %'")
        for schema, name in cursor.fetchall():
            cursor.execute("SELECT hannoy_build(%s, %s)", [name, schema])
