"""Roles: each part of the job works with its own, and every other action is denied by the server."""

# ruff: noqa: F401, F811 - fixtures come in by their names

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import jinja2
import psycopg
import pytest
import sqlglot
from companies import DEMO, WHOLE, Warehouses, policies_for, query, tables_of, warehouses
from conftest import create_database
from sqlalchemy import create_engine, text
from sqlglot import exp, parse_one
from test_statements import FILES, _name, _names

import expectations
import sql.statements
from sql.connect import Database, connected
from sql.errors import DatabaseFailed, TieringError
from sql.evaluation import evaluate_policy
from sql.news import Terms
from sql.outbox import read_unsent, retry_mails
from sql.preview import read_preview
from sql.retention import Keep, prune
from sql.rights import (
    CONSUMER,
    MAILER,
    OWNER,
    WRITER,
    administrator_script,
    excess_of,
    grant_rights,
    read_rights,
    rights_on,
    source_script,
)
from sql.schema import pending_upgrades, read_upgrades, upgrade_schema
from tiering import jobs
from tiering.roles import _script, excess_of_users, look_at_users
from tiering.settings import Settings, read_settings

LOGINS = {
    "owner": "test_owner",
    "writer": "test_writer",
    "mailer": "test_mailer",
    "consumer": "test_consumer",
    "reader": "test_reader",
}
DAY = WHOLE.last_day
POLICIES = ("pyramid", "rfm_555")
PUBLISHED = [("pyramid", DAY), ("rfm_555", date(2026, 1, 31)), ("pyramid", date(2025, 1, 31))]


# What the statements need.

OF_OTHERS = {
    "read_pending_mail": MAILER,
    "read_pending_mails": MAILER,
    "insert_closed_period": OWNER,
    "insert_erasure": OWNER,
    "read_mail": OWNER,
    "read_mail_ids": OWNER,
    "replace_mail": OWNER,
    "update_mail": MAILER,
    "put_back_mail": MAILER,
    "read_mail_status": MAILER,
    "read_unsent_mails": MAILER,
    "create_schema_upgrade": OWNER,
    "record_schema_upgrade": OWNER,
}
"""Statements that another role than the writer runs."""

TEMPLATED = {
    "delete_of_policy": [
        "tiering.customer_tier",
        "tiering.customer_class",
        "tiering.tier_notice",
        "tiering.tier_outlook",
        "tiering.credit_exposure",
        "tiering.follow_up",
        "tiering.provisional_grade",
    ],
    "delete_other_lists": ["tiering.follow_up", "tiering.provisional_grade"],
    "delete_of_day": ["tiering.credit_limit", "tiering.credit_budget", "tiering.concentration"],
    "delete_spells": ["tiering.customer_tier_history", "tiering.absence"],
    "delete_intervals": ["tiering.customer_tier_history", "tiering.absence", "tiering.movement_state"],
    "delete_decided": [],
    "end_plain": ["tiering.customer_tier_history", "tiering.absence"],
    "delete_decided_range": [],
}
"""The tables that a statement with a name to fill in writes; tables of schema work are left out."""

IN_BULK = {
    "landing.sales",
    *(
        f"tiering.{name}"
        for name in ("customer_tier_history", "absence", "movement_state", "tier_change", "tier_notice",
                     "approval_customer", "refused_line", "grade", "override", "customer_notice", "given_limit",
                     "credit_limit", "credit_budget", "concentration", "credit_exposure", "provisional_grade")
    ),
}  # fmt: skip
"""Tables that rows are copied into; landing.sales stands for every table of landing."""


class _Anything(jinja2.ChainableUndefined):
    """Stands for a name that a statement takes: a flag that is not set, or a column whatever it is called."""

    def __str__(self) -> str:
        return "anything"


FORGIVING = sql.statements._templates.overlay(undefined=_Anything)
"""Renders a statement whatever names it takes: what a flag adds to a WHERE needs no further right."""


def role_of(statement: str) -> str:
    """The role that runs a statement: the owner prunes and erases, the writer does what nobody else does."""
    if statement.startswith(("prune_", "erase_", "record_pruning")) and statement != "erase_landed":
        return OWNER
    return OF_OTHERS.get(statement, WRITER)


@cache
def tables_of_schema() -> set[str]:
    """Every table that the numbered statements make, beside the one that records them."""
    found = {"tiering.schema_upgrade"}
    for upgrade in read_upgrades():
        tree = parse_one(upgrade.text, read="duckdb")
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            table = tree.find(exp.Table)
            assert table is not None
            found.add(f"{table.db}.{table.name}")
    return found


@cache
def needs() -> dict[str, dict[str, set[str]]]:
    """What each role must be able to do, by table, as the statements say: select, insert, delete, update(columns)."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in FILES:
        if path.parent.name != "warehouse":
            continue
        for names in _names(path)[::11]:  # the entities differ in their columns alone
            source = path.read_text(encoding="utf-8")
            shapes = [names if "entity." in source else {**names, "entity": "customers"}]
            is_written = re.search(r"^(INSERT|UPDATE|DELETE)", source, re.MULTILINE)
            if "{{ table }}" in source and role_of(path.stem) != OWNER:
                assert path.stem in TEMPLATED or not is_written, f"say in TEMPLATED which tables {path.name} writes"
                shapes = [{**names, "table": table.partition(".")[2]} for table in TEMPLATED.get(path.stem, [])]
            for shape in shapes:
                try:
                    tree = parse_one(FORGIVING.get_template(_name(path)).render(**shape), read="duckdb")
                except sqlglot.errors.ParseError:
                    assert not is_written, f"{path.name} writes and cannot be read"
                    continue
                for table, right in _rights_of(tree):
                    if table.partition(".")[0] in ("landing", "facts", "tiering"):
                        found[role_of(path.stem)][table].add(right)
    for table in IN_BULK:
        found[WRITER][table].add("insert")
    return found


def _rights_of(tree: exp.Expression) -> Iterator[tuple[str, str]]:
    written = None
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete):
        written = tree.this if isinstance(tree.this, exp.Table) else tree.this.find(exp.Table)
        kind = type(tree).__name__.lower()
        name = f"{written.db}.{written.name}"
        if isinstance(tree, exp.Update):
            for change in tree.expressions:
                yield name, f"update({change.this.name})"
        else:
            yield name, kind
        if not isinstance(tree, exp.Insert):
            yield name, "select"  # its WHERE reads
    for table in tree.find_all(exp.Table):
        if table is not written and table.db:
            yield f"{table.db}.{table.name}", "select"


def missing_of(needed: set[str], held: set[str]) -> set[str]:
    """The rights that are needed and not held; update of a whole table holds for each of its columns."""
    return {right for right in needed - held if not (right.startswith("update(") and "update" in held)}


def granted(role: str, table: str) -> set[str]:
    """What rights.yaml grants, one right per column where it names columns; select is whole or by column."""
    found: set[str] = set()
    for right in (rights_on(table) or {}).get(role, []):
        word, _, columns = right.rstrip(")").partition("(")
        if word == "update" and columns:
            found |= {f"update({column.strip()})" for column in columns.split(",")}
        else:
            found.add(word)
    return found


def test_every_table_says_who_may_do_what() -> None:
    unknown = sorted(table for table in tables_of_schema() if rights_on(table) is None)
    assert not unknown, f"say in sql/roles/rights.yaml who may do what with {', '.join(unknown)}"


@pytest.mark.parametrize("role", [WRITER, MAILER])
def test_a_role_may_do_what_its_statements_do(role: str) -> None:
    missing = {
        f"{table}: {', '.join(sorted(missing_of(rights, granted(role, table))))}"
        for table, rights in needs()[role].items()
        if missing_of(rights, granted(role, table)) and table in tables_of_schema()
    }
    assert not missing, f"{role} needs, by its statements, in sql/roles/rights.yaml: {sorted(missing)}"


@pytest.mark.parametrize("role", [WRITER, MAILER])
def test_a_role_may_write_nothing_that_no_statement_writes(role: str) -> None:
    needed = needs()[role]
    spare = {}
    for named in read_rights():  # rights on a schema hold for all its tables, and are needed where one needs them
        tables = [table for table in tables_of_schema() if named in (table, table.partition(".")[0])]
        used = set().union(*(needed[table] for table in tables))
        whole = {"update"} if any(right.startswith("update(") for right in used) else set()
        more = granted(role, named) - used - whole - {"select", "own"}
        if tables and more:
            spare[named] = sorted(more)
    assert not spare, f"take back from {role} in sql/roles/rights.yaml, no statement does it: {spare}"


def test_consumers_read_and_see_no_mail_no_refused_row_and_no_words_of_people() -> None:
    by_table = {table: roles.get(CONSUMER, []) for table, roles in read_rights().items()}
    assert {right for rights in by_table.values() for right in rights} == {"select"}
    hidden = ("landing", "facts", "work", "tiering.email_outbox", "tiering.quarantine", "tiering.approval")
    assert [by_table[table] for table in (*hidden, "tiering.override")] == [[]] * 7


def test_nobody_is_granted_more_than_rows() -> None:
    words = {
        right.partition("(")[0] for roles in read_rights().values() for rights in roles.values() for right in rights
    }
    assert words <= {"select", "insert", "update", "delete", "own"}
    whole = [table for table, roles in read_rights().items() for rights in roles.values() if "update" in rights]
    assert whole == ["landing"], "an update names its columns"


# The whole job under the roles.


@dataclass
class Installation:
    """A warehouse and a source on one server, with a user per role."""

    warehouse: Database
    source: Database
    source_schema: str
    folder: Path

    def as_(self, role: str) -> Database:
        """The warehouse (for the reader the source) as the user of a role."""
        database = self.source if role == "reader" else self.warehouse
        return replace(database, user=LOGINS[role], password="test")

    def settings(self) -> Settings:
        """Settings under which mails go into a folder."""
        return replace(Settings(), mail_dir=self.folder / "mail", domain="corp.example", data_docs_dir=self.folder)


def administer(database: Database, statements: Iterator[str]) -> None:
    """Run a script as the server's administrator, as psql would."""
    with psycopg.connect(
        host=database.host, port=database.port, dbname=database.name, user=database.user,
        password=database.password, autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute("\n".join(_script(statements)))  # type: ignore[call-overload]


def _few_suites() -> Any:
    """Let Great Expectations evaluate one suite: all of them take long and ask for no other right."""
    evaluate = expectations._evaluate

    def evaluate_customers(warehouse: Database, dialect: str, suites: Any, *rest: Any) -> Any:
        return evaluate(warehouse, dialect, {"customers": suites["customers"]}, *rest)

    return mock.patch.object(expectations, "_evaluate", evaluate_customers)


@pytest.fixture(scope="module")
def installation(
    warehouses: Warehouses, postgres_server: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A warehouse whose owner made the schema, and into which the writer loaded and published the small company."""
    source = warehouses.source("postgresql")
    warehouse = create_database(postgres_server, f"roles_{os.getpid()}")
    (row,) = query(source, "SELECT schemaname FROM pg_tables WHERE tablename = 'business_partner'")
    here = Installation(warehouse, source, row[0], tmp_path_factory.mktemp("roles"))
    logins = {role: [login] for role, login in LOGINS.items()}
    for _ in range(2):  # a second time does no harm
        administer(warehouse, administrator_script(warehouse.name, source=(source.name, "public"), logins=logins))
    administer(source, source_script(source.name, here.source_schema))
    for login in LOGINS.values():
        query(warehouse, f"ALTER ROLE {login} PASSWORD 'test'")
    settings, writer = here.settings(), here.as_("writer")
    jobs.prepare_warehouse(here.as_("owner"))
    assert jobs.prepare_warehouse(writer, here.as_("owner")) == []
    jobs.extract(here.as_("reader"), writer, settings, WHOLE)
    with _few_suites():
        jobs.validate(writer, settings, WHOLE)
    jobs.load(writer, WHOLE, settings)
    policies = policies_for(*POLICIES)
    for policy_id, day in PUBLISHED:
        policy, measured = policies[policy_id], jobs.measure(writer, policies, policy_id, day)
        if policy_id == "rfm_555":
            parts = jobs.split(writer, policy, measured, tasks=3)
            assert sum(jobs.decide_range(writer, policy, part)["accounts"] for part in parts) == parts[0]["accounts"]
            staged = jobs.gather(writer, policy, parts)
        else:
            staged = jobs.decide(writer, policy, measured)
        if jobs.needs_answer(staged):
            jobs.answer(writer, staged, "tests", approved=True)
        assert jobs.publish(writer, policies[policy_id], staged)["status"] == "published"
    jobs.follow_up(writer, policies, DAY)
    yield here
    for database in (warehouse, source):
        warehouses.drop(database)


@pytest.mark.postgres
def test_the_whole_job_works_with_the_least_rights(installation: Installation) -> None:
    writer, settings = installation.as_("writer"), installation.settings()
    written = jobs.write_reports(writer, settings)
    assert written["mails"] > 0
    assert (
        jobs.send_reports(installation.as_("mailer"), settings, None) == {"filed": written["mails"]}
        or (written["without_address"])
    )
    query(installation.as_("owner"), "UPDATE tiering.email_outbox SET status = 'dead', recipient = 'a@corp.example'")
    dead = read_unsent(installation.as_("mailer"))
    assert len(dead) == written["mails"]
    assert retry_mails(installation.as_("mailer"), [dead[0].message_id]) == 1
    assert read_preview(writer, Terms("CNY", "desk@corp.example"), DAY).digests
    assert query(installation.as_("consumer"), "SELECT COUNT(*) FROM tiering.customer_tier") > [(0,)]
    assert jobs.prepare_warehouse(writer) == [], "a schema that is up to date asks for no right to change it"
    later = datetime.now(UTC).date() + timedelta(days=90)
    assert prune(installation.as_("owner"), Keep(measures=35), later, ZoneInfo("UTC"))["measures"] > 0, (
        "tables the writer made"
    )


@pytest.mark.postgres
def test_the_evaluation_works_with_the_least_rights(installation: Installation) -> None:
    assert evaluate_policy(installation.as_("writer"), "pyramid", date(2025, 1, 31)).effects


@pytest.mark.postgres
def test_consumers_read_every_table_they_are_promised(installation: Installation) -> None:
    consumer = installation.as_("consumer")
    promised = [table for table in read_rights() if read_rights()[table].get(CONSUMER)]
    stand = {f"tiering.{name}" for name in tables_of(installation.warehouse, "tiering")}
    for table in sorted(stand & set(promised)):
        query(consumer, f"SELECT COUNT(*) FROM {table}")
    assert len(stand & set(promised)) > 15


DENIED = {
    "reader": [
        "INSERT INTO {source}.business_partner SELECT * FROM {source}.business_partner",
        "UPDATE {source}.business_partner SET partner_no = NULL",
        "DELETE FROM {source}.business_partner",
        "TRUNCATE {source}.business_partner",
        "DROP TABLE {source}.business_partner",
        "CREATE TABLE {source}.mine (id INTEGER)",
        "CREATE TABLE public.mine (id INTEGER)",
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE SCHEMA mine",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY {source}.business_partner TO PROGRAM 'cat'",
        "COPY {source}.business_partner TO '/tmp/partners.csv'",
        "SELECT lo_export(1, '/tmp/lo')",
        "SELECT rolpassword FROM pg_authid",
        "CREATE ROLE mine",
    ],
    "writer": [
        "CREATE TABLE tiering.mine (id INTEGER)",
        "CREATE TABLE facts.mine (id INTEGER)",
        "CREATE TABLE public.mine (id INTEGER)",
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE SCHEMA mine",
        "DROP TABLE tiering.decision",
        "ALTER TABLE tiering.decision ADD COLUMN mine TEXT",
        "ALTER TABLE tiering.customer_tier_history OWNER TO test_writer",
        "DROP SCHEMA tiering CASCADE",
        *[
            f"TRUNCATE {table}"
            for table in ("tiering.customer_tier_history", "tiering.decision", "facts.sales", "landing.sales")
        ],
        *[
            f"DELETE FROM tiering.{table}"
            for table in ("decision", "exclusion", "score_component", "tier_change", "run_attempt", "batch",
                          "quarantine", "policy_version", "approval", "email_outbox", "schema_upgrade", "override")
        ],
        "DELETE FROM facts.sales",
        "UPDATE facts.sales SET net_amount = 0",
        "UPDATE tiering.decision SET computed_tier = 'A'",
        "UPDATE tiering.score_component SET value = 0",
        "UPDATE tiering.customer_tier SET tier = 'A'",
        "UPDATE tiering.customer_tier_history SET tier = 'A'",
        "UPDATE tiering.absence SET reason = 'left'",
        "UPDATE tiering.tier_change SET drivers = '[]'",
        "UPDATE tiering.run SET status = 'published'",
        "UPDATE tiering.run_attempt SET attempt = 1",
        "UPDATE tiering.approval SET request = 'x'",
        "UPDATE tiering.quarantine SET row_json = '{{}}'",
        "UPDATE tiering.email_outbox SET message = ''",
        "UPDATE tiering.override SET tier = 'A'",
        "INSERT INTO tiering.schema_upgrade (number) VALUES (1)",
        "SELECT message FROM tiering.email_outbox",
        "SET ROLE tiering_owner",
        "COPY tiering.run TO '/tmp/run.csv'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
    "mailer": [
        "UPDATE tiering.email_outbox SET message = ''",
        "UPDATE tiering.email_outbox SET recipient = 'x@example.org'",
        "UPDATE tiering.email_outbox SET subject = ''",
        "INSERT INTO tiering.email_outbox (message_id) VALUES ('x')",
        "DELETE FROM tiering.email_outbox",
        "TRUNCATE tiering.email_outbox",
        "SELECT * FROM tiering.email_outbox",
        *[
            f"SELECT 1 FROM {table}"
            for table in ("tiering.customer_tier", "tiering.customer_tier_history", "tiering.decision",
                          "tiering.tier_change", "tiering.run", "tiering.quarantine", "tiering.override",
                          "facts.customers", "landing.customers", "work.decided")
        ],
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE TABLE tiering.mine (id INTEGER)",
        "SET ROLE tiering_writer",
    ],
    "consumer": [
        *[
            f"SELECT 1 FROM {table}"
            for table in ("tiering.email_outbox", "tiering.quarantine", "tiering.override", "tiering.approval",
                          "tiering.measurement", "tiering.schema_upgrade", "facts.customers", "facts.sales",
                          "landing.customers", "work.decided")
        ],
        "INSERT INTO tiering.customer_tier (policy_id) VALUES ('p')",
        "UPDATE tiering.customer_tier SET tier = 'A'",
        "DELETE FROM tiering.customer_tier",
        "TRUNCATE tiering.customer_tier",
        "CREATE TABLE tiering.mine (id INTEGER)",
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE SCHEMA mine",
        "SET ROLE tiering_writer",
        "SELECT pg_read_file('/etc/passwd')",
    ],
    "owner": [
        "CREATE ROLE mine",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY tiering.run TO PROGRAM 'cat'",
        "CREATE TEMPORARY TABLE mine (id INTEGER)",
        "CREATE TABLE public.mine (id INTEGER)",
    ],
}  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("role", "statement"), [(role, statement) for role, statements in DENIED.items() for statement in statements]
)
def test_is_denied(installation: Installation, role: str, statement: str) -> None:
    database = installation.as_(role)
    (schema,) = {
        row[0]
        for row in query(installation.source, "SELECT schemaname FROM pg_tables WHERE tablename = 'business_partner'")
    }
    engine = create_engine(database.url, hide_parameters=True)
    with engine.connect() as connection:
        if role == "reader":  # the setting can be switched off by anybody: the missing rights must hold alone
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.commit()
        with pytest.raises(Exception, match="denied|must be|permission") as caught:
            connection.exec_driver_sql(statement.format(source=installation.source_schema))
    engine.dispose()
    assert caught.value.orig.sqlstate == "42501"  # type: ignore[attr-defined]


@pytest.mark.postgres
def test_a_stranger_is_not_let_in(installation: Installation, postgres_server: Database) -> None:
    query(postgres_server, "DROP ROLE IF EXISTS test_stranger")
    query(postgres_server, "CREATE ROLE test_stranger LOGIN PASSWORD 'test'")
    stranger = replace(installation.warehouse, user="test_stranger", password="test")
    with (
        pytest.raises(TieringError, match="does not let user test_stranger in; grant CONNECT"),
        connected(stranger, "w"),
    ):
        pass  # pragma: no cover


@pytest.mark.postgres
@pytest.mark.parametrize("role", ["writer", "owner", "mailer", "consumer"])
def test_a_name_without_its_schema_is_the_servers_or_nothing(installation: Installation, role: str) -> None:
    assert query(installation.as_(role), "SHOW search_path") == [("pg_catalog",)]


@pytest.mark.postgres
def test_the_reader_reads_only_by_default_too(installation: Installation) -> None:
    reader = installation.as_("reader")
    with psycopg.connect(
        host=reader.host, port=reader.port, dbname=reader.name, user=reader.user, password="test"
    ) as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


@pytest.mark.postgres
def test_staging_belongs_to_the_writer_and_the_rest_to_the_owner(installation: Installation) -> None:
    rows = query(
        installation.warehouse,
        "SELECT DISTINCT schemaname, tableowner FROM pg_tables "
        "WHERE schemaname IN ('landing', 'facts', 'tiering', 'work') ORDER BY schemaname",
    )
    assert rows == [("facts", OWNER), ("landing", OWNER), ("tiering", OWNER), ("work", WRITER)]


@pytest.mark.postgres
def test_a_new_table_is_nobodys_until_rights_say_so(installation: Installation) -> None:
    with connected(installation.as_("owner"), "tiering_owner") as connection:
        connection.execute(text("CREATE TABLE tiering.of_tomorrow (id TEXT)"))
        assert grant_rights(connection) > 50
    try:
        for role in ("writer", "mailer", "consumer"):
            with pytest.raises(DatabaseFailed, match="permission denied for table of_tomorrow"):
                query(installation.as_(role), "SELECT * FROM tiering.of_tomorrow")
    finally:
        query(installation.as_("owner"), "DROP TABLE tiering.of_tomorrow")


@pytest.mark.postgres
def test_an_upgrade_by_the_writer_says_what_is_missing(installation: Installation) -> None:
    query(installation.as_("owner"), "DELETE FROM tiering.schema_upgrade WHERE number = 50")
    try:
        with pytest.raises(DatabaseFailed, match="permission denied") as caught:
            jobs.prepare_warehouse(installation.as_("writer"))
        assert caught.value.sqlstate == "42501"
    finally:
        upgrade = next(upgrade for upgrade in read_upgrades() if upgrade.number == 50)
        query(
            installation.as_("owner"),
            "INSERT INTO tiering.schema_upgrade VALUES (50, :name, :sha256, CURRENT_TIMESTAMP)",
            name=upgrade.name,
            sha256=upgrade.sha256,
        )


# Users who could do too much.


@pytest.mark.postgres
def test_users_with_the_least_rights_are_no_risk(installation: Installation) -> None:
    assert excess_of_users(installation.as_("writer"), installation.as_("reader")) == {}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("warehouse", "source", "says"),
    [
        ("superuser", "reader", {"tiering_warehouse": "user tiering is a superuser"}),
        ("owner", "reader", {"tiering_warehouse": "user test_owner owns the"}),
        ("writer", "superuser", {"tiering_source": "user tiering is a superuser"}),
        ("writer", "clerk", {"tiering_source": "user test_clerk can write 1 tables of the source"}),
    ],
)
def test_a_user_who_could_do_too_much_is_told_and_refused_where_that_is_asked_for(
    installation: Installation,
    warehouse: str,
    source: str,
    says: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (schema,) = {
        row[0]
        for row in query(installation.source, "SELECT schemaname FROM pg_tables WHERE tablename = 'business_partner'")
    }
    if source == "clerk":
        for statement in (
            "DROP ROLE IF EXISTS test_clerk",
            "CREATE ROLE test_clerk LOGIN PASSWORD 'test'",
            "GRANT tiering_reader TO test_clerk",
            f"GRANT UPDATE (partner_no) ON {installation.source_schema}.business_partner TO test_clerk",
        ):
            query(installation.source, statement)
    users = {
        "superuser": (installation.warehouse, installation.source),
        "clerk": (installation.warehouse, replace(installation.source, user="test_clerk", password="test")),
    }
    the_warehouse = users[warehouse][0] if warehouse in users else installation.as_(warehouse)
    the_source = users[source][1] if source in users else installation.as_(source)
    found = excess_of_users(the_warehouse, the_source)
    assert found.keys() == says.keys()
    for connection, excess in found.items():
        assert excess.startswith(says[connection])
        assert "tiering roles" in excess
    look_at_users(the_warehouse, the_source, Settings())
    assert all(f"{connection}: {excess}" in caplog.text for connection, excess in found.items())
    with pytest.raises(TieringError, match=next(iter(says.values()))):
        look_at_users(the_warehouse, the_source, replace(Settings(), strict_roles=True))


def test_an_embedded_warehouse_has_no_users(tmp_path: Path) -> None:
    database = Database("duckdb", path=str(tmp_path / "w.duckdb"))
    assert excess_of_users(database, database) == {}


def test_names_in_a_script_are_quoted() -> None:
    script = "\n".join(administrator_script('w"; DROP', logins={"writer": ["Etl User"]}))
    assert '"w""; DROP"' in script
    assert '"Etl User"' in script
    with pytest.raises(TieringError, match="there is no role clerk; roles: owner, writer"):
        list(administrator_script("w", logins={"clerk": ["x"]}))


@pytest.mark.parametrize("value", ["yes", "1", "TRUE"])
def test_strict_roles_are_true_or_false(value: str) -> None:
    with pytest.raises(TieringError, match="TIERING_STRICT_ROLES: true or false"):
        read_settings({"TIERING_STRICT_ROLES": value})
