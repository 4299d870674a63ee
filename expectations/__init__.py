"""Validation: one Great Expectations suite per entity as JSON, and the one verb `validate`.

Expectations of severity `critical` stop the load. Those whose `meta` says `quarantine` are rules on rows:
their query returns the `position` of every bad row, and the same query that Great Expectations evaluates
sends the row to quarantine. The others report.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sql.connect import Database, connected
from sql.contract import CURRENCIES, ENTITIES, MINOR_DIGITS, Entity
from sql.errors import TieringError, ValidationFailed
from sql.extract import Batch
from sql.facts import (
    RowRule,
    build_references,
    lock,
    parse_entity,
    read_extraction,
    reconcile_source,
    record_validation,
    refuse_rows,
    start_validation,
)
from sql.statements import dialect_of, run, transpile

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent

#: So many refused rows never stop a batch, however small it is.
QUARANTINE_FLOOR = 10


@dataclass(frozen=True)
class Finding:
    """One expectation that did not hold: where, which rule, how severe, how many rows."""

    entity: str
    rule: str
    severity: str
    rows: int | None
    reason: str


@dataclass(frozen=True)
class Validation:
    """What a validation found. `evaluated` counts expectations; `refused` rows per entity."""

    evaluated: int
    findings: tuple[Finding, ...]
    refused: dict[str, int] = field(default_factory=dict)


def _in_list(codes: list[str]) -> str:
    return ", ".join(f"'{code}'" for code in codes)


def _signs(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


_LISTS = {
    # What nobody sees in an id: control and format characters, marks of direction and of broken encoding.
    "{hidden}": _signs(
        (0x01, 0x1F),
        (0x7F, 0x9F),
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x200B, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x2069),
        (0xFEFF, 0xFEFF),
        (0xFFFD, 0xFFFD),
    ),
    "{currencies}": _in_list(CURRENCIES),
    "{currencies_without_digits}": _in_list([code for code, digits in MINOR_DIGITS.items() if digits == 0]),
    "{currencies_of_three_digits}": _in_list([code for code, digits in MINOR_DIGITS.items() if digits == 3]),
}


def read_suite(entity: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the suite of `entity`.

    Raises TieringError when the file is missing or unreadable, or the suite could pass without looking:
    no expectation, no critical one, two of one name.
    """
    path = folder / f"{entity}.json"
    try:
        suite: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TieringError(
            f"expectations/{entity}.json is missing; restore it, an entity without a suite is not loaded"
        ) from None
    except json.JSONDecodeError as error:
        raise TieringError(f"expectations/{entity}.json line {error.lineno}: {error.msg}") from None
    declared = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(declared, list) or not all(isinstance(expectation, dict) for expectation in declared):
        raise TieringError(f"expectations/{entity}.json: every suite declares expectations, each with meta.rule")
    rules = [expectation.get("meta", {}).get("rule") for expectation in declared]
    if not declared or not all(rules):
        raise TieringError(f"expectations/{entity}.json: every suite declares expectations, each with meta.rule")
    if len(set(rules)) != len(rules):
        raise TieringError(f"expectations/{entity}.json: two expectations share the name of a rule")
    for rule, expectation in zip(rules, declared, strict=True):
        if "mostly" in expectation.get("kwargs", {}):
            raise TieringError(
                f"expectations/{entity}.json: {rule} says mostly, which lets bad rows pass unseen; remove it, "
                "a rule with meta.quarantine refuses rows one by one"
            )
        if expectation["meta"].get("quarantine") and "unexpected_rows_query" not in expectation.get("kwargs", {}):
            raise TieringError(f"expectations/{entity}.json: {rule} refuses rows, and has no unexpected_rows_query")
    if not any(expectation.get("severity") == "critical" for expectation in declared):
        raise TieringError(f"expectations/{entity}.json: no expectation is critical, so nothing could stop a bad batch")
    return suite


def _expanded(query: str) -> str:
    for name, codes in _LISTS.items():
        query = query.replace(name, codes)
    return query


def row_rules(suite: Mapping[str, Any]) -> list[RowRule]:
    """Return the suite's rules on rows."""
    return [
        RowRule(
            expectation["meta"]["rule"],
            expectation["meta"]["reason"],
            _expanded(expectation["kwargs"]["unexpected_rows_query"]),
            bool(expectation["meta"].get("names_column")),
        )
        for expectation in suite["expectations"]
        if expectation["meta"].get("quarantine")
    ]


def validate(
    warehouse: Database,
    batch: Batch,
    *,
    reporting_currency: str,
    minimum_rows: int = 1,
    maximum_quarantine_share: str = "0.10",
    is_shrunken: bool = False,
    data_docs: Path | None = None,
) -> Validation:
    """Check the landed batch: refuse bad rows one by one, then evaluate every suite; write the Data Docs.

    `is_shrunken`: somebody accepted that it holds much less than was known (see `sql.life_cycle.check_shrinkage`).

    Raises ValidationFailed when a critical expectation does not hold, TieringError when one could not be
    evaluated at all. Nothing is loaded or published in either case.
    """
    suites = {name: read_suite(name) for name in ENTITIES}
    refused: dict[str, int] = {}
    parameters: dict[str, dict[str, int]] = {}
    with connected(warehouse, "tiering_warehouse") as connection:
        lock(connection, "facts")
        dialect = dialect_of(connection)
        extracted = {row.entity for row in read_extraction(connection, batch)}
        if not extracted:
            raise TieringError(f"batch {batch.batch_id} was not extracted; run extract for it first")
        reconcile_source(connection, batch)
        start_validation(connection)
        for entity in ENTITIES.values():
            rows = parse_entity(connection, entity, batch, reporting_currency)
            rules = row_rules(suites[entity.name]) if rows else []  # nothing landed, nothing to refuse
            refused[entity.name] = refuse_rows(connection, entity, rules)
            build_references(connection, entity, reporting_currency)
            share = int(Decimal(maximum_quarantine_share) * rows)
            known = 0
            if entity.name in ("customers", "account_managers") and not is_shrunken:
                known = int(run(connection, "warehouse/count_standing.sql", entity=entity.name).scalar_one())
            parameters[entity.name] = {
                "minimum_rows": 0
                if is_shrunken and entity.dated_by
                else _minimum_rows(entity, batch, minimum_rows, known),
                "quarantine_limit": max(QUARANTINE_FLOOR, share),
            }
    checked = {name: suites[name] for name in ENTITIES if name in extracted or ENTITIES[name].is_required}
    findings, evaluated = _evaluate(warehouse, dialect, checked, parameters, data_docs)
    critical = [finding for finding in findings if finding.severity == "critical"]
    if critical:
        first = critical[0]
        raise ValidationFailed(
            f"{first.entity} {batch.batch_id}: {first.rule} does not hold: {first.reason}"
            + (f" (and {len(critical) - 1} more critical)" if len(critical) > 1 else "")
            + "; nothing was loaded, the last publication stays"
        )
    with connected(warehouse, "tiering_warehouse") as connection:
        record_validation(connection, batch)
    return Validation(evaluated, tuple(findings), {name: rows for name, rows in refused.items() if rows})


def _minimum_rows(entity: Entity, batch: Batch, minimum_rows: int, known: int) -> int:
    """Return the fewest rows that are believed: half of what was known, and something in any week."""
    if known or entity.dated_by is None:
        return max(minimum_rows, (known + 1) // 2)
    return minimum_rows if (batch.end - batch.start).days >= 7 else 0


def _evaluate(
    warehouse: Database,
    dialect: str,
    suites: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Mapping[str, int]],
    data_docs: Path | None,
) -> tuple[list[Finding], int]:
    """Let Great Expectations evaluate `suites` on the work tables; one context and one run for all.

    The validations run without a checkpoint: it would add nothing but their actions, of which there are none, and
    it compares every suite with its stored copy five times over.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    url = warehouse.url.render_as_string(hide_password=False)
    source = (context.data_sources.add_postgres if dialect == "postgres" else context.data_sources.add_sql)(
        "warehouse", connection_string=url
    )
    definitions = []
    for name, suite in suites.items():
        asset = source.add_table_asset(f"{name}", table_name=f"parsed_{name}", schema_name="work")
        expectations = []
        for declared in suite["expectations"]:
            kwargs: dict[str, Any] = {
                key: parameters[name][value["$PARAMETER"]] if isinstance(value, dict) else value
                for key, value in declared["kwargs"].items()
            }
            if "unexpected_rows_query" in kwargs:
                query = _expanded(kwargs["unexpected_rows_query"])
                for parameter, value in parameters[name].items():
                    query = query.replace("{" + parameter + "}", str(value))
                query = transpile(query.replace("{batch}", f"work.parsed_{name}"), dialect)
                # Great Expectations puts a subquery in place of {batch}, and leaves its alias to queries with a JOIN.
                kwargs["unexpected_rows_query"] = (
                    f"SELECT batch.position FROM {{batch}} AS batch "  # noqa: S608
                    f"JOIN ({query}) AS bad ON bad.position = batch.position"
                )
            expectations.append({**declared, "kwargs": kwargs})
        built = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(
            name=name, data=asset.add_batch_definition_whole_table("batch"), suite=built
        )
        definitions.append(context.validation_definitions.add(definition))
    this_run = RunIdentifier(run_time=datetime.now(UTC))
    results: dict[str, Any] = {}
    try:
        with connected(warehouse, "tiering_warehouse"):  # keeps a DuckDB file open: opening it for every metric is slow
            for definition in definitions:
                result = definition.run(result_format="BOOLEAN_ONLY", run_id=this_run)
                if not result.success:  # how many rows break a rule is asked only where one is broken
                    details = {"result_format": "BASIC", "partial_unexpected_count": 0}
                    result = definition.run(result_format=details, run_id=this_run)
                results[definition.name] = result
    finally:  # Great Expectations keeps its sessions: a DuckDB file would stay open, and its last rows in the log
        source.get_execution_engine().close()
        source.get_engine().dispose()
    if data_docs is not None:
        _write_data_docs(context, data_docs)
    findings = []
    evaluated = 0
    for name, result in results.items():
        plain = result.to_json_dict()
        if len(plain["results"]) != len(suites[name]["expectations"]):
            raise TieringError(
                f"expectations/{name}.json declares {len(suites[name]['expectations'])} expectations, "
                f"{len(plain['results'])} were evaluated; nothing was loaded"
            )
        for outcome in plain["results"]:
            evaluated += 1
            findings += _finding(name, outcome)
    if len(results) != len(suites):
        raise TieringError(f"{len(suites)} suites declared, {len(results)} evaluated; nothing was loaded")
    return findings, evaluated


def _write_data_docs(context: Any, folder: Path) -> None:
    """Write a page per evaluated suite and their index, once, instead of the whole site after every suite."""
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": store,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site("local", site)
    results = context.validation_results_store.list_keys()
    context.build_data_docs(site_names=["local"], resource_identifiers=results)


def _finding(entity: str, outcome: Mapping[str, Any]) -> list[Finding]:
    configuration = outcome["expectation_config"]
    meta = configuration["meta"]
    raised = outcome.get("exception_info") or {}
    infos = [raised] if "raised_exception" in raised else list(raised.values())
    if any(info.get("raised_exception") for info in infos if isinstance(info, dict)):
        raise TieringError(
            f"expectations/{entity}.json: rule {meta['rule']} could not be evaluated, which is no pass; "
            "correct the rule or the entity's columns; nothing was loaded"
        )
    if outcome["success"]:
        return []
    details = outcome.get("result") or {}
    rows = details.get("unexpected_count", details.get("observed_value"))
    return [
        Finding(
            entity,
            meta["rule"],
            str(configuration.get("severity", "critical")),
            int(rows) if str(rows).isdigit() else None,  # type: ignore[arg-type]
            meta["reason"],
        )
    ]
