"""Statements that are compiled once, and given to the driver as they are.

SQLAlchemy takes ten times as long for a statement by id as SQLite takes to answer it: it opens a transaction, finds the
compiled form, and wraps the connection, the cursor and the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Dialect, Insert, Select, Table

Statement = Select[*tuple[Any, ...]]
Converters = Sequence[tuple[Any, Callable[[Any], Any]]]


class Prepared:
    """A statement as a driver takes it, and its values. text: in SQL.

    keys: of an INSERT, the columns that get values.
    """

    def __init__(self, statement: Statement | Insert, dialect: Dialect, keys: Sequence[str] | None = None):
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        self.text = str(compiled)
        self._order = compiled.positiontup if compiled.positional else None
        self._fixed = dict(compiled.params)
        types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        self._converters = _converters({name: type.bind_processor(dialect) for name, type in types.items()})

    def values(self, parameters: Mapping[str, Any]) -> Any:
        """Parameters as the driver takes them."""
        values = {**self._fixed, **parameters}
        for name, convert in self._converters:
            values[name] = convert(values[name])
        return values if self._order is None else tuple([values[name] for name in self._order])


class PreparedSelect(Prepared):
    """A SELECT. Its parameters are `bindparam`s."""

    def __init__(self, statement: Statement, dialect: Dialect):
        super().__init__(statement, dialect)
        self._types = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        self._dialect = dialect
        self._results: Converters | None = None  # Known with the first answer, which names the driver's types.

    def rows(self, cursor: Any, parameters: Mapping[str, Any]) -> list[list[Any]]:
        """All rows, with the values that SQLAlchemy would give. cursor: of the driver."""
        cursor.execute(self.text, self.values(parameters))
        if self._results is None:
            types = zip(self._types, cursor.description, strict=True)
            found = (type.result_processor(self._dialect, column[1]) for type, column in types)
            self._results = _converters(dict(enumerate(found)))
        rows = [list(row) for row in cursor.fetchall()]
        for row in rows:
            for place, convert in self._results:
                row[place] = convert(row[place])
        return rows


class PreparedInsert(Prepared):
    """An INSERT of whole rows. What a row leaves out gets the column's default."""

    def __init__(self, statement: Insert, table: Table, dialect: Dialect):
        super().__init__(statement, dialect, [column.key for column in table.columns])
        self._defaults = {column.key: _default(column) for column in table.columns}

    def row(self, values: Mapping[str, Any]) -> Any:
        """A row as the driver takes it."""
        return self.values({key: values[key] if key in values else make() for key, make in self._defaults.items()})


def _default(column: Column[Any]) -> Callable[[], Any]:
    default: Any = column.default
    if default is None:
        return lambda: None
    return (lambda: default.arg(None)) if default.is_callable else (lambda: default.arg)


def _converters(converters: Mapping[Any, Callable[[Any], Any] | None]) -> Converters:
    return [(key, convert) for key, convert in converters.items() if convert is not None]
