"""Searches that take a queryset as their filter."""

from typing import Any, List

from django.core.exceptions import EmptyResultSet
from django.db import connections

from .._sql import quote
from .._vectors import serialize


def nearest(queryset: Any, index: str, vector: Any, k: int = 10) -> List[Any]:
    """The k objects of the queryset that are nearest to the vector, each with its `distance`.

    index: the name that AddVectorIndex was given.  The conditions of the queryset are applied
    during the search, so that k objects are found if so many pass.
    """
    connection = connections[queryset.db]
    blob = vector if isinstance(vector, (bytes, memoryview)) else serialize(vector)
    sliced = queryset.query.is_sliced
    query = (queryset if sliced else queryset.order_by()).values("pk").query
    conditions, arguments = "", []
    if queryset.query.where or sliced or len(queryset.query.alias_map) > 1:
        try:
            sql, given = query.get_compiler(using=queryset.db).as_sql()
        except EmptyResultSet:
            return []
        conditions, arguments = f" WHERE rowid IN ({sql})", list(given)
    table = quote(index)
    if conditions and connection.Database.sqlite_version_info < (3, 38):
        # These hand a search the values of an IN one by one.
        statement = (f"SELECT rowid, distance FROM {table}(%s){conditions}"
                     " ORDER BY distance LIMIT %s")
        arguments = [blob, *arguments, k]
    else:
        statement = f"SELECT rowid, distance FROM {table}(%s, %s){conditions} ORDER BY distance"
        arguments = [blob, k, *arguments]
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        found = cursor.fetchall()
    objects = queryset.model._base_manager.using(queryset.db).in_bulk([row[0] for row in found])
    results = []
    for rowid, distance in found:
        if rowid in objects:
            objects[rowid].distance = distance
            results.append(objects[rowid])
    return results
