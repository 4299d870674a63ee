"""The corpus of bad inputs (tests/corpus/*.yaml): every item has the outcome that its file states.

A new item needs no line here; the heads of the files say how one is written.
"""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, quote_plus

import airflow_case
import psycopg
import pytest
from aiosmtpd.controller import Controller
from companies import Warehouses, batch_of, extract, policies_for, query, warehouses
from conftest import free_port
from corpus_files import FOLDER, KINDS, Item, each, read_items
from openpyxl import load_workbook
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool
from test_invariants import broken_invariants

import expectations
from expectations import validate
from reports import build_message, deliver, message_id, render_digest, write_message_files
from reports.digest import Digest, Mover, PolicySection
from reports.mail import SmtpServer, UnsafeHeaderError
from sql.connect import Database, connected, kept_open
from sql.contract import ENTITIES, SPACES
from sql.errors import TieringError
from sql.facts import load_batch
from sql.people import load_handed_in
from tiering.connections import database_of, mail_server_of, source_of
from tiering.lint import lint_file
from tiering.settings import read_settings
from transforms.people import COLUMNS, Kind
from transforms.policy import Policy, read_policies
from transforms.policy_text import PolicyText

JANUARY = batch_of("2024-01")
Row = dict[str, Any]

# Data

DATA = read_items("data", {"says", "source", "types", "first", "selects", "encoding"})
ALONE = [item for item in DATA if {"stops"} & set(item["outcome"]) or {"first", "selects", "encoding"} & set(item)]
TOGETHER = [item for item in DATA if item not in ALONE]
HANDED_IN: tuple[Kind, ...] = ("overrides", "limits")
FILES: dict[Kind, list[Item]] = {kind: read_items(kind, {"lines", "columns", "encoding", "end"}) for kind in HANDED_IN}
"""The files that people hand in, by kind."""
OTHER = {"duckdb": "postgresql", "postgresql": "duckdb"}


def sound(entity: str, name: str) -> Row:
    """A sound row of an entity, whose key is `name`."""
    day = {"sales": "sold_on", "receivables": "issued_on", "payments": "paid_on", "open_orders": "ordered_on"}
    amount = {"sales": "net_amount", "receivables": "gross_amount"}
    rows: dict[str, Row] = {
        "account_managers": {"account_manager_id": name, "name": "Ann Canary", "email": "ann@corp.example"},
        "customers": {"customer_id": name, "name": f"Canary {name} GmbH", "account_manager_id": "M1"},
        "exchange_rates": {"currency": "EUR", "valid_on": "2024-01-09", "rate_to_reporting": "5"},
        "plan": {"year": "2024", "revenue_budget": "1.00", "gross_margin_rate": "0.2", "vat_rate": "0.13"},
    }
    if entity in rows:
        return rows[entity]
    row = dict.fromkeys(ENTITIES[entity].key, name) | {"customer_id": name, "currency": "CNY"}
    row |= {day[entity]: "2024-01-10", amount.get(entity, "amount"): "100.00"}
    more = {"sales": {"document_id": name, "tax_amount": "13.00"}, "receivables": {"due_on": "2024-02-09"}}
    return row | more.get(entity, {})


def said_by(item: Item) -> dict[str, list[Row]]:
    """The rows that a source says for an item, by entity."""
    said: dict[str, list[Row]] = {}
    for entity, rows in item.get("says", {}).items():
        if isinstance(rows, int):
            said[entity] = [sound(entity, f"C{number}") for number in range(1, rows + 1)]
            continue
        said[entity] = []
        for row in rows if isinstance(rows, list) else [rows]:
            times = row.get("times", 1)
            for number in range(times):
                name = item["id"] if times == 1 else f"{item['id']}-{number}"
                said[entity].append(sound(entity, name) | {key: row[key] for key in row if key != "times"})
    return said


def types_of(item: Item) -> dict[tuple[str, str], str]:
    """The types that the columns of an item have in its source, by entity and column."""
    types: dict[str, str] = item.get("types", {})
    entities = item.get("says", {})
    return {(name, column): types[column] for name in entities for column in types if column in ENTITIES[name].columns}


class Source:
    """A source that says rows, each column a text or of a type that is given; its SELECTs stand in a folder."""

    def __init__(self, database: Database, folder: Path, types: dict[tuple[str, str], str]) -> None:
        self.database, self.folder, self.types = database, folder / "said", types
        self.folder.mkdir(parents=True)
        self.rows: dict[str, list[Row]] = {name: [] for name in ("sales", "receivables", "payments")}
        self.add("account_managers", [sound("account_managers", name) for name in ("M1", "M2")])
        self.add("customers", [sound("customers", "C1")])
        self.add("plan", [sound("plan", "")])
        self.add("exchange_rates", [sound("exchange_rates", "") | {"currency": code} for code in ("EUR", "JPY", "KWD")])
        for entity in self.rows:
            if entity in ("sales", "receivables", "payments"):
                self.add(entity, [sound(entity, "ok") | {"customer_id": "C1"}])

    def add(self, entity: str, rows: list[Row]) -> None:
        """Let the source say rows besides those it says."""
        self.rows.setdefault(entity, []).extend(rows)

    def write(self, selects: dict[str, str], encoding: str = "utf8") -> None:
        """Write the tables and the SELECTs."""
        options = {"client_encoding": encoding} if self.database.kind == "postgresql" else {}
        engine = create_engine(self.database.url, poolclass=NullPool, connect_args=options)
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS said"))
            self._write(connection, selects)
        engine.dispose()

    def _write(self, connection: Connection, selects: dict[str, str]) -> None:
        for entity, rows in self.rows.items():
            names = list(dict.fromkeys([*ENTITIES[entity].required, *(name for row in rows for name in row)]))
            types = {name: self.types.get((entity, name), "TEXT") for name in names}
            columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
            values = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in types.items())
            connection.execute(text(f"DROP TABLE IF EXISTS said.{entity}"))
            connection.execute(text(f"CREATE TABLE said.{entity} (n BIGINT, {columns})"))
            if rows:
                connection.execute(
                    text(f"INSERT INTO said.{entity} VALUES (:n, {values})"),
                    [{"n": n, **{name: row.get(name) for name in names}} for n, row in enumerate(rows, 1)],
                )
            # Every row, whatever its day: a day that is none lies in no batch, and must be told all the same.
            dated = "WHERE CAST(:batch_start AS TEXT) < CAST(:batch_end AS TEXT) " if ENTITIES[entity].dated_by else ""
            select = f"SELECT {', '.join(names)} FROM said.{entity} {dated}ORDER BY n"
            (self.folder / f"{entity}.sql").write_text(selects.get(entity, select), encoding="utf-8")


@dataclass
class Found:
    """What became of a load: rules by entity and position, the facts by entity, and the rows that were said."""

    rows: dict[str, list[Row]]
    rules: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, list[Row]] = field(default_factory=dict)
    places: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    """Of every item: entity and position of its rows."""
    warehouse: Database | None = None


def load(source: Source, warehouse: Database, share: str = "0.10", *, whole: bool = True) -> Found:
    """Extract, validate and load what a source says, as a scheduled run does; the ledger must add up.

    Not `whole`: without Great Expectations, which stops batches, costs seconds, and refuses no row itself.
    """
    extract(source.database, warehouse, JANUARY, source.folder)
    with nullcontext() if whole else mock.patch.object(expectations, "_evaluate", return_value=([], 0)):
        validate(warehouse, JANUARY, reporting_currency="CNY", maximum_quarantine_share=share)
    load_batch(warehouse, JANUARY)
    found = Found(source.rows)
    for entity, position, rule in query(warehouse, "SELECT entity, position, rule FROM tiering.quarantine"):
        found.rules[entity, position].append(rule)
    with connected(warehouse, "tests") as connection:
        for entity in source.rows:
            standing = text(f"SELECT * FROM facts.{entity} WHERE superseded_in IS NULL")
            found.facts[entity] = [dict(row._mapping) for row in connection.execute(standing)]
    assert broken_invariants(warehouse) == set()
    landed = query(warehouse, "SELECT entity, SUM(extracted_rows) FROM tiering.batch GROUP BY entity")
    assert {entity: int(rows) for entity, rows in landed if rows} == {
        entity: len(rows) for entity, rows in source.rows.items() if rows
    }
    return found


@pytest.fixture(scope="module")
def loads(warehouses: Warehouses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What became of all items that one source says in one go; asked for by engine of the source, and typed or not."""
    made: dict[tuple[str, bool], Found] = {}

    def of(engine: str, is_typed: bool) -> Found:
        if (engine, is_typed) not in made:
            items = [
                item for item in TOGETHER if item.get("source", engine) == engine and ("types" in item) == is_typed
            ]
            made[engine, is_typed] = load_together(engine, items)
        return made[engine, is_typed]

    def load_together(engine: str, items: list[Item]) -> Found:
        types = {place: kind for item in items for place, kind in types_of(item).items()}
        source = Source(warehouses.new(engine), tmp_path_factory.mktemp("corpus"), types)
        places: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for item in items:
            assert types_of(item).items() <= types.items(), item["id"]
            said = {"customers": [sound("customers", item["id"])]} | said_by(item)
            for entity, rows in said.items():
                source.add(entity, rows)
                if entity in item["says"]:
                    last = len(source.rows[entity])
                    places[item["id"]] += [(entity, last - back) for back in range(len(rows))]
            good = f"ok-{item['id']}"
            source.add("customers", [sound("customers", good)])
            source.add("sales", [sound("sales", good)])
        warehouse = warehouses.empty(OTHER[engine])
        for item in (item for items in FILES.values() for item in items):
            source.add("customers", [sound("customers", item["id"]) | {"group_id": f"G-{item['id']}"}])
        source.write({})
        with kept_open(warehouse):
            found = load(source, warehouse, share="1", whole=engine == "duckdb")
        found.places, found.warehouse = places, warehouse
        return found

    return of


def is_as(row: Row, expected: Row) -> bool:
    """Whether a row of the facts holds what is expected of it."""

    def same(value: Any, told: Any) -> bool:
        return (
            value == Decimal(told)
            if isinstance(value, Decimal) and told is not None
            else value == told or (value is not None and str(value) == told)
        )

    return all(name in row and same(row[name], told) for name, told in expected.items())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def check_load(item: Item, found: Found) -> None:
    """Hold what became of an item against its outcome."""
    outcome = item["outcome"]
    assert set(outcome) <= {"quarantined", "loaded"}
    places = found.places[item["id"]]
    rules = [rule for place in places for rule in found.rules.get(place, [])]
    assert sorted(rules) == sorted(as_list(outcome.get("quarantined", [])))
    keys = {
        (entity, str(found.rows[entity][n - 1][ENTITIES[entity].key[0]] or "").strip(SPACES)) for entity, n in places
    }
    facts = [
        row
        for entity, rows in found.facts.items()
        for row in rows
        if (entity, str(row[ENTITIES[entity].key[0]])) in keys
    ]
    expected = as_list(outcome.get("loaded", []))
    assert len(facts) == len(expected), facts
    for told in expected:
        matching = [row for row in facts if is_as(row, told)]
        assert matching, (told, facts)
        facts.remove(matching[0])


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("postgresql", marks=pytest.mark.postgres)])
@each("data", TOGETHER)
def test_a_bad_row_is_set_aside_and_its_neighbours_are_loaded(item: Item, engine: str, loads: Any) -> None:
    engine = "postgresql" if "types" in item else item.get("source", engine)  # or it is looked at twice
    found = loads(engine, "types" in item)
    check_load(item, found)
    for entity in ("customers", "sales"):
        assert any(row[ENTITIES[entity].key[0]] == f"ok-{item['id']}" for row in found.facts[entity])


def database_for(item: Item, warehouses: Warehouses) -> Database:
    """A source of the engine that an item asks for."""
    engine = item.get("source", "duckdb")
    if "encoding" not in item:
        return warehouses.new(engine)
    server: Database = warehouses.request.getfixturevalue("postgres_server")
    with psycopg.connect(
        host=server.host, port=server.port, dbname=server.name, user=server.user, password=server.password,
        autocommit=True,
    ) as connection:  # fmt: skip
        name = f"corpus_{item['id'].lower()}"
        options = f"ENCODING '{item['encoding']}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(f"CREATE DATABASE {name} {options}")  # type: ignore[arg-type,call-overload]
    return Database("postgresql", "", server.host, server.port, name, server.user, server.password)


@pytest.mark.postgres
@each("data", ALONE)
def test_a_batch_that_cannot_be_believed_stops(item: Item, warehouses: Warehouses, tmp_path: Path) -> None:
    database, warehouse = database_for(item, warehouses), warehouses.empty("postgresql")
    with kept_open(warehouse):
        if "first" in item:
            first = Source(database, tmp_path / "first", {})
            first.rows |= said_by({"id": item["id"], "says": item["first"]})
            first.write({})
            load(first, warehouse, whole=False)
        source = Source(database, tmp_path / "then", {})
        source.rows |= said_by(item)
        places = {(entity, n) for entity, rows in said_by(item).items() for n in range(1, len(rows) + 1)}
        source.write(item.get("selects", {}), encoding="latin1" if "encoding" in item else "utf8")
        before = query(warehouse, "SELECT COUNT(*) FROM facts.customers")
        if "stops" not in item["outcome"]:
            found = load(source, warehouse, whole=False)
            found.places = {item["id"]: sorted(places) or [("customers", 1)]}
            check_load(item, found)
            return
        with pytest.raises(TieringError) as stopped:
            load(source, warehouse)
        assert item["outcome"]["stops"] in str(stopped.value)
        assert "\n" not in str(stopped.value)
        assert query(warehouse, "SELECT COUNT(*) FROM facts.customers") == before


# Policies

POLICIES = read_items("policy", {"text", "before", "after", "bytes", "name"})
BASE: str = PolicyText((FOLDER / "policy.yaml").read_text(encoding="utf-8"), "policy.yaml").data["base"]


def policy_of(item: Item) -> bytes:
    """The bytes of the file that an author hands in."""
    if "bytes" in item:
        return bytes.fromhex(item["bytes"])
    if "before" not in item:
        return str(item["text"]).encode()
    assert item["before"] in BASE, item["before"]
    return BASE.replace(item["before"], item["after"], 1).encode()


def value_at(place: str, model: Any) -> Any:
    """What a policy holds at a place such as decide.bands.tiers.0.at_least."""
    for part in place.split("."):
        model = model[int(part)] if part.isdecimal() else getattr(model, part)
    return model


def proved(path: Path) -> tuple[Policy | None, list[str]]:
    """What tiering lint says of a file: the policy, and a line per error."""
    read, findings = lint_file(path, None)
    errors = [found for found in findings if found.severity == "error"]
    return read, [": ".join(filter(None, (str(e.line), e.place, e.message))) for e in errors]


@each("policy", POLICIES)
def test_a_bad_policy_is_refused_on_its_line(item: Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where a program would leave its traces
    path = tmp_path / "policies" / item.get("name", "corpus.yaml")
    path.parent.mkdir()
    path.write_bytes(policy_of(item))
    read, said = proved(path)
    if "read" in item["outcome"]:
        assert (set(item["outcome"]), said) == ({"read"}, [])
        assert read is not None
        found = {place: str(value_at(place, read)) for place in item["outcome"]["read"]}
        assert found == item["outcome"]["read"]
        return
    assert set(item["outcome"]) == {"refused"}
    assert [line for line in said if item["outcome"]["refused"] in line] != [], said
    assert not any("\n" in line for line in said)
    assert [found.name for found in tmp_path.iterdir()] == ["policies"]


def test_the_policy_that_the_corpus_spoils_is_sound(tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_text(BASE, encoding="utf-8")
    assert proved(tmp_path / "corpus.yaml")[1] == []
    assert set(read_policies(tmp_path)) == {"corpus"}


# Settings, connections and suites

CONFIGURATION = read_items("configuration", {"settings", "connection", "suite"})


def configure(item: Item, monkeypatch: pytest.MonkeyPatch, folder: Path, server: Database) -> Any:
    """Read what an item configures, as the job does at its start."""
    if "suite" in item:
        (folder / "plan.json").write_text(item["suite"], encoding="utf-8")
        return expectations.read_suite("plan", folder)
    if "settings" in item:
        return read_settings({f"TIERING_{name.upper()}": value for name, value in item["settings"].items()})
    fields = dict(item["connection"])
    conn_id = fields.pop("id")
    if fields.get("host") == "test server":
        fields |= {"host": server.host, "port": server.port}
    if fields:
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", fields.get("written") or airflow_case.connection(**fields)
        )
    else:
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}", raising=False)
    if conn_id == "tiering_smtp":
        return mail_server_of(conn_id)
    with connected(source_of() if conn_id == "tiering_source" else database_of(conn_id), conn_id) as connection:
        return connection.execute(text("SELECT 'connects'")).scalar_one()


@pytest.mark.airflow
@pytest.mark.postgres
@each("configuration", CONFIGURATION)
def test_a_bad_configuration_is_one_line_at_the_start(
    item: Item, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres_server: Database
) -> None:
    airflow_case.prepare_environment()
    if "taken" in item["outcome"]:
        assert set(item["outcome"]) == {"taken"}
        found, told = configure(item, monkeypatch, tmp_path, postgres_server), item["outcome"]["taken"]
        assert (found if isinstance(told, str) else {name: str(getattr(found, name)) for name in told}) == told
        return
    assert set(item["outcome"]) == {"refused"}
    with pytest.raises(TieringError) as refused:
        configure(item, monkeypatch, tmp_path, postgres_server)
    assert item["outcome"]["refused"] in str(refused.value)
    assert "\n" not in str(refused.value)
    if "password" in item.get("connection", {}):
        password = item["connection"]["password"]
        assert not [said for said in (password, quote(password), quote_plus(password)) if said in str(refused.value)]


# Recipients, and names in mails

RECIPIENTS = read_items("recipients", {"address", "manager", "customer", "subject", "file"})
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Tiering-Run", "MIME-Version"]


class Sink:
    """A mail server that accepts everything, and keeps whom for."""

    def __init__(self) -> None:
        self.recipients: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.recipients += envelope.rcpt_tos
        return "250 kept"


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[Sink, SmtpServer]]:
    kept = Sink()
    controller = Controller(kept, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield kept, SmtpServer("127.0.0.1", controller.port, security="none")
    controller.stop()


def mail_about(customer: str = "Harbour Foods", manager: str = "Wang Fang", subject: str | None = None) -> EmailMessage:
    """The mail of a manager one of whose customers moved, as it is read back."""
    mover = Mover("C-1", customer, "B", "D", "down", "measures", (), Decimal(1000))
    section = PolicySection("pyramid", {}, date(2026, 3, 31), (), (mover,), {})
    digest = Digest("M1", manager, "wang@corp.example", "en", "CNY", (section,), ())
    rendered = render_digest(digest)
    message = build_message(
        replace(rendered, subject=subject) if subject is not None else rendered,
        sender="tiering@corp.example",
        recipient="wang@corp.example",
        recipient_name=manager,
        message_id=message_id("corpus", domain="corp.example"),
        run_note="corpus",
        date=datetime(2026, 4, 1, tzinfo=UTC),
    )
    return message_from_bytes(bytes(message), policy=policy.default)  # type: ignore[return-value]


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def body_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def sent_to(address: str, sink: tuple[Sink, SmtpServer]) -> tuple[str, str, list[str]]:
    """Send a mail between two others; return what became of it, the reply, and whom the server saw between them."""
    kept, server = sink
    kept.recipients.clear()
    body = b"Subject: x\r\n\r\nhello\r\n"
    mails = [(to, "t@corp.example", to, body) for to in ("first@corp.example", address, "last@corp.example")]
    outcomes = [outcome for _, outcome in deliver(server, mails)]
    assert [outcomes[0].status, outcomes[2].status] == ["sent", "sent"]
    assert (kept.recipients[0], kept.recipients[-1]) == ("first@corp.example", "last@corp.example")
    return outcomes[1].status, outcomes[1].reply, kept.recipients[1:-1]


@each("recipients", RECIPIENTS)
def test_a_bad_recipient_or_name_does_no_harm(item: Item, sink: tuple[Sink, SmtpServer], tmp_path: Path) -> None:
    ((kind, told),) = item["outcome"].items()
    if kind == "dead":
        assert sent_to(item["address"], sink) == ("dead", told, [])
    elif kind == "sent":
        assert sent_to(item["address"], sink)[::2] == ("sent", [told])
    elif kind == "greeted":
        mail = mail_about(manager=item["manager"])
        (to,) = mail["To"].addresses
        assert (to.display_name, to.addr_spec) == (told, "wang@corp.example")
        assert set(mail.keys()) - {"Content-Type"} == set(HEADERS)
    elif kind == "shown":
        mail = mail_about(item["customer"])
        assert any(told in line for line in body_of(mail, "plain").splitlines())
        assert Elements(body_of(mail, "html")).found == Elements(body_of(mail_about(), "html")).found
        (attached,) = mail.iter_attachments()
        sheet = load_workbook(BytesIO(attached.get_content())).worksheets[0]
        cells = [cell for row in sheet.iter_rows() for cell in row if cell.value == told]
        assert {cell.data_type for cell in cells} == {"s"}
        assert set(mail.keys()) - {"Content-Type"} == set(HEADERS)
        assert [str(value) for value in mail.values()][:8] == [str(value) for value in mail_about().values()][:8]
    elif kind == "refused":
        with pytest.raises(UnsafeHeaderError) as refused:
            mail_about(subject=item["subject"])
        assert str(refused.value) == told
    else:
        assert kind == "written"
        paths = write_message_files(tmp_path / "mail", item["file"], bytes(mail_about()))
        assert {path.parent.resolve() for path in paths} == {(tmp_path / "mail").resolve()}
        assert {re.sub("-[0-9a-f]{12}$", "", path.stem) for path in paths} == {told}


# Overrides and limits

HandedIn = tuple[list[Row], dict[str, list[Row]], set[str]]


def sound_line(kind: str, customer_id: str) -> dict[str, str]:
    """A sound line of a file, about a customer."""
    people = {"requested_by": "Ann", "approved_by": "Bob", "valid_from": "2024-02-01", "valid_to": "2024-08-01"}
    if kind == "overrides":
        return {"policy_id": "pyramid", "customer_id": customer_id, "tier": "gold", "reason": "popular", **people}
    return {
        "policy_id": "collection_classes", "level": "account", "customer_id": customer_id, "entity": "",
        "limit_amount": "50000.00", "is_mandatory": "", "reason": "season", **people,
    }  # fmt: skip


def file_of(kind: Kind, item: Item) -> bytes:
    """The file that people hand in for an item."""
    names, line = COLUMNS[kind], sound_line(kind, item["id"])
    text = StringIO()
    text.write(item.get("columns", ",".join(names)) + "\n")
    for changes in item["lines"]:
        if isinstance(changes, str):
            text.write(changes + "\n")
        else:
            assert set(changes) <= set(names), item["id"]
            csv.writer(text, lineterminator="\n").writerow([(line | changes)[name] for name in names])
    return (text.getvalue().removesuffix("\n") + item.get("end", "\n")).encode(item.get("encoding", "utf-8"))


@pytest.fixture(scope="module")
def handed_in(loads: Any, tmp_path_factory: pytest.TempPathFactory) -> HandedIn:
    """All files handed in at once: the lines refused, the lines stored by kind, and the files taken in."""
    folder = tmp_path_factory.mktemp("handed_in")
    for kind, items in FILES.items():
        for item in items:
            (folder / f"{kind}-{item['id']}.csv").write_bytes(file_of(kind, item))
    warehouse = loads("duckdb", False).warehouse
    now = datetime(2024, 3, 1, 6, tzinfo=UTC)
    with kept_open(warehouse):
        policies = policies_for("pyramid", "collection_classes")
        load_handed_in(warehouse, folder, policies, now=now, today=now.date())
        with connected(warehouse, "tests") as connection:
            tables = ("refused_line ORDER BY file, line", "handed_in_file", "override ORDER BY customer_id, valid_from",
                      "given_limit ORDER BY file_sha256, valid_from")  # fmt: skip
            refused, taken, overrides, limits = (
                [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM tiering.{name}"))]
                for name in tables
            )
    return refused, {"overrides": overrides, "limits": limits}, {row["file"] for row in taken}


def check_lines(kind: Kind, item: Item, handed_in: HandedIn) -> None:
    """Hold what became of the lines of an item against its outcome."""
    outcome, name = item["outcome"], f"{kind}-{item['id']}.csv"
    assert set(outcome) <= {"refused", "stored", "left"}
    refused, stored, taken = handed_in
    said = [row["reason"] for row in refused if row["file"] == name]
    told = as_list(outcome.get("refused", []))
    assert [part in reason for part, reason in zip(told, said, strict=True)] == [True] * len(told), said
    holders = (item["id"], f"G-{item['id']}")
    rows = [row for row in stored[kind] if row["customer_id"] in holders and row["superseded_at"] is None]
    lines = outcome.get("stored", [])
    if isinstance(lines, int):
        assert len(rows) == lines
    else:
        assert len(rows) == len(as_list(lines))
        assert all(is_as(row, line) for row, line in zip(rows, as_list(lines), strict=True)), rows
    assert (name in taken) != outcome.get("left", False)


@pytest.mark.postgres
@each("overrides", FILES["overrides"])
def test_a_bad_line_of_people_is_refused_and_its_neighbours_are_stored(item: Item, handed_in: HandedIn) -> None:
    check_lines("overrides", item, handed_in)


@pytest.mark.postgres
@each("limits", FILES["limits"])
def test_a_bad_limit_is_refused_and_its_neighbours_are_stored(item: Item, handed_in: HandedIn) -> None:
    check_lines("limits", item, handed_in)


def test_every_item_of_every_file_is_looked_at() -> None:
    looked_at = [
        *TOGETHER,
        *ALONE,
        *POLICIES,
        *CONFIGURATION,
        *RECIPIENTS,
        *(item for items in FILES.values() for item in items),
    ]
    written = [line for kind in KINDS for line in (FOLDER / f"{kind}.yaml").read_text(encoding="utf-8").splitlines()]
    starts = [line for line in written if re.match(r"  - (\{id: |id: )", line)]
    assert len(looked_at) == len(starts) > 150
    assert {path.stem for path in FOLDER.iterdir()} == set(KINDS)
