"""The migration operation that makes an index."""

from typing import Any, Dict, List, Sequence, Tuple

from django.db.migrations.operations.base import Operation

from .._sql import quote


class AddVectorIndex(Operation):
    """An index over a field of vectors, kept in step by triggers.

    name: of the virtual table.  columns: other fields, for conditions in SQL.  options: further
    ones of the table, as "m=32".  AlterField and the like make the model's table anew; the
    triggers come back at the end of `migrate`.  Before RenameField of the field or RenameModel,
    undo this operation and add it again after it.
    """

    reversible = True

    def __init__(
        self, model_name: str, name: str, field: str, metric: str = "cosine",
        columns: Sequence[str] = (), options: Sequence[str] = (),
    ) -> None:
        self.model_name, self.name, self.field = model_name, name, field
        self.metric, self.columns, self.options = metric, list(columns), list(options)

    def deconstruct(self) -> Tuple[str, List[Any], Dict[str, Any]]:
        return (
            self.__class__.__qualname__,
            [self.model_name, self.name, self.field],
            {"metric": self.metric, "columns": self.columns, "options": self.options},
        )

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "sqlite":
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        field = model._meta.get_field(self.field)
        parts = [
            f"content={quote(model._meta.db_table)}",
            f"content_rowid={quote(model._meta.pk.column)}",
            f"vector={quote(field.column)}", f"dim={field.dim}", f"metric={self.metric}",
        ]
        for name in self.columns:
            column = model._meta.get_field(name)
            kind = column.db_type(schema_editor.connection)
            parts.append(f"{quote(column.column)} {kind}")
        parts += self.options
        table, declared = quote(self.name), ", ".join(parts)
        schema_editor.execute(f"CREATE VIRTUAL TABLE {table} USING hannoy({declared})", None)
        schema_editor.execute(f"INSERT INTO {table}({table}) VALUES ('build')", None)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "sqlite":
            schema_editor.execute(f"DROP TABLE IF EXISTS {quote(self.name)}", None)

    def describe(self) -> str:
        return f"Add the vector index {self.name} on {self.field} of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name}_{self.name}".lower()
