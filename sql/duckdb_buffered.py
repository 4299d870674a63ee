"""The DuckDB dialect of the warehouse: `duckdb+buffered:///file.duckdb`.

Great Expectations closes the connection before it fetches; DuckDB drops an unread result at that moment,
so every metric came back empty. Buffering each result when it is executed mends that without touching
either library. What is said to every session is here too.
"""

from __future__ import annotations

from typing import Any

import duckdb_sqlalchemy
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

_Context: Any = duckdb_sqlalchemy.Dialect.execution_ctx_cls


SESSION = (
    "SET preserve_insertion_order = false",
    "SET checkpoint_threshold = '256MB'",
)
"""Rows that nobody asked for in an order need none, and are written twice as fast without. A run commits often, and a
checkpoint after each of its commits writes much of the file again."""


class _BufferedContext(_Context):  # type: ignore[misc]
    def post_exec(self) -> None:
        super().post_exec()
        if not self.isinsert and self.cursor is not None and self.cursor.description:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                self.cursor, initial_buffer=self.cursor.fetchall()
            )


class BufferedDialect(duckdb_sqlalchemy.Dialect):
    """`duckdb_sqlalchemy.Dialect` whose results survive the end of their connection."""

    execution_ctx_cls: Any = _BufferedContext
    supports_statement_cache = True

    def on_connect(self) -> Any:
        """Return what is done with every new connection."""
        others = super().on_connect()

        def begin(connection: Any) -> None:
            if others is not None:
                others(connection)
            for statement in SESSION:
                connection.execute(statement)

        return begin
