"""The DuckDB dialect with buffered results: `duckdb+buffered:///file.duckdb`.

Great Expectations closes the connection before it fetches; DuckDB drops an unread result at that moment,
so every metric came back empty. Buffering each result when it is executed mends that without touching
either library.
"""

from __future__ import annotations

from typing import Any

import duckdb_sqlalchemy
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

_Context: Any = duckdb_sqlalchemy.Dialect.execution_ctx_cls


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
