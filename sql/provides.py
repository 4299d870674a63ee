"""Provides: what a source's SELECTs return, held against what a policy measures; no database is asked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp

from sql.contract import ENTITIES
from sql.measure import column_of, read_library
from transforms.conditions import UNREADABLE
from transforms.policy import Policy


@lru_cache(maxsize=8)
def read_columns(source: Path) -> dict[str, frozenset[str]]:
    """Return by entity the columns that the SELECTs in a source folder return; an entity without a file is absent.

    A SELECT that SQLGlot cannot read counts as returning the whole contract: the database has the last word.
    """
    found: dict[str, frozenset[str]] = {}
    for path in sorted(source.glob("*.sql")):
        if path.stem not in ENTITIES:
            continue
        try:
            tree = sqlglot.parse_one(path.read_text(encoding="utf-8"))
            names = [part.alias_or_name for part in tree.selects] if isinstance(tree, exp.Query) else ["*"]
        except UNREADABLE:
            names = ["*"]
        everything = [*ENTITIES[path.stem].columns]
        found[path.stem] = frozenset(everything if "*" in names else names)
    return found


def find_lacking(policy: Policy, source: Path) -> list[tuple[str, str]]:
    """Return (indicator, what is wrong) for every indicator of `policy` that the source does not provide."""
    library, provided = read_library(), read_columns(source)
    lacking = []
    for name, indicator in policy.indicators.items():
        needs: tuple[str, ...] = ()
        if indicator.measure is not None:
            needs = library[column_of(indicator).partition("__")[0]].entity
        elif indicator.assessment is not None:
            needs = ("assessments",)
        elif indicator.attribute is not None:
            own = indicator.attribute in ENTITIES["customers"].columns
            needs = (f"customers.{indicator.attribute}" if own else f"customers.attr_{indicator.attribute}",)
        for need in needs:
            entity, _, column = need.partition(".")
            if entity not in provided:
                lacking.append((name, f"the source {source.name} provides no {entity}; add {entity}.sql to it"))
            elif column and column not in provided[entity]:
                lacking.append((name, f"the source {source.name} provides no {column} in {entity}; select it there"))
    return lacking
