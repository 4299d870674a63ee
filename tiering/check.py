"""Check an installation before it is scheduled: one line per thing, the first wrong one said clearly."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from rich.console import Console
from rich.markup import escape

from sql.connect import Database, connected, unreachable
from sql.errors import TieringError
from tiering.settings import Settings, read_settings
from transforms.policy import Policy, read_policies


def check_installation(console: Console, as_of: str | None, policy_id: str | None) -> int:
    """Check everything and print a line each; return 0 when all is well, 1 when something is to be corrected."""
    wrong = 0
    state: dict[str, object] = {}

    def step(name: str, look: Callable[[], str]) -> None:
        nonlocal wrong
        try:
            console.print(f"[green]ok[/]     {name}: {escape(look())}", soft_wrap=True)
        except TieringError as error:
            wrong += 1
            console.print(f"[red]wrong[/]  {name}: {escape(str(error))}", soft_wrap=True)

    def settings() -> str:
        state["settings"] = found = read_settings()
        return f"source {found.source.name}, currency {found.reporting_currency}, time zone {found.timezone}"

    step("settings", settings)
    here = state.get("settings")
    if not isinstance(here, Settings):
        return 1
    policies: dict[str, Policy] = {}

    step("source", lambda: _check_source(here))
    source = None if wrong else here.source  # a source that is wrong itself is said once, and not by every policy

    def read() -> str:
        from tiering.lint import lint_file

        policies.update(read_policies(here.policies))
        for path in sorted(here.policies.glob("*.yaml")):
            errors = [finding for finding in lint_file(path, source)[1] if finding.severity == "error"]
            if errors:
                place = f"{here.policies.name}/{path.name}:{errors[0].line}"
                raise TieringError(f"{place}: {errors[0].message} (tiering lint says more)")
        return f"{len(policies)} proved: {', '.join(sorted(policies))}"

    step("policies", read)
    before = wrong
    step("warehouse", lambda: _check_warehouse())
    if wrong == before:
        for mark, line in _freshness(here):
            console.print(f"{mark}  {escape(line)}", soft_wrap=True)
    step("mail", lambda: _check_mail(here))
    if as_of is not None:
        chosen = [policies[policy_id]] if policy_id in policies else list(policies.values()) if not policy_id else []
        if not chosen:
            step(
                "as_of",
                lambda: _refuse(f"there is no policy {policy_id}; known: {', '.join(sorted(policies))}"),
            )
        for policy in chosen:
            step(f"as_of {policy.id}", lambda policy=policy: _check_as_of(here, policy, as_of))  # type: ignore[misc]
    return 1 if wrong else 0


def _refuse(message: str) -> str:
    raise TieringError(message)


def _check_source(here: Settings) -> str:
    from sqlalchemy import create_engine

    from sql.contract import ENTITIES
    from sql.extract import Batch, Source, check_columns, read_source
    from tiering.connections import SOURCE, source_of

    selects = read_source(here.source)
    database = source_of()
    engine = create_engine(database.url_unbuffered, hide_parameters=True)
    try:
        with unreachable(SOURCE, database):
            connection = engine.connect()
        with connection:
            day = Batch(date(2000, 1, 1), date(2000, 1, 2))
            source = Source(connection, f"source {here.source.name}", selects, day)
            for name in selects:
                check_columns(source.place, ENTITIES[name], source.columns(ENTITIES[name]))
    finally:
        engine.dispose()
    return f"{database.place}: {len(selects)} entities return their columns"


def _warehouse() -> Database:
    from tiering.connections import WAREHOUSE, database_of

    return database_of(WAREHOUSE)


def _check_warehouse() -> str:
    database = _warehouse()
    with connected(database, "tiering_warehouse"):
        return f"{database.place} can be reached"


def _freshness(here: Settings) -> Iterator[tuple[str, str]]:
    """Say of every entity how fresh it is; what is late is no fault of the set-up and does not count as wrong."""
    from sql.contract import DERIVED, ENTITIES
    from sql.key_fields import read_freshness

    never, none = "[yellow]never[/]", "[dim]none[/] "
    with connected(_warehouse(), "tiering_warehouse") as connection:
        found = read_freshness(connection, datetime.now(UTC).astimezone(here.zone).date())
    if not found:
        yield never, "facts: nothing was loaded yet; run the DAG customer_facts"
        return
    for name in ENTITIES:
        if name not in found:
            file = "customers" if name in DERIVED else name
            is_named = (here.source / f"{file}.sql").is_file()
            line = "never loaded; run the DAG customer_facts" if is_named else f"the source has no {file}.sql"
            yield (never if is_named else none), f"facts {name}: {line}"
            continue
        fresh = found[name]
        extracted_at = fresh.extracted_at.astimezone(here.zone)
        parts = [
            f"through {fresh.through_on}",
            f"{fresh.days_old} {'day' if fresh.days_old == 1 else 'days'} old",
            f"batch {fresh.batch_no} extracted {extracted_at:%Y-%m-%d %H:%M}",
        ]
        if fresh.rows_through_on is None:
            parts.append("no row was ever delivered")
        elif fresh.rows_through_on < fresh.through_on:
            parts.append(f"no row since {fresh.rows_through_on}")
        if fresh.quarantined_rows:
            parts.append(f"{fresh.quarantined_rows} {'row' if fresh.quarantined_rows == 1 else 'rows'} in quarantine")
        mark = "[yellow]late[/] " if fresh.is_late else never if fresh.rows_through_on is None else "[green]ok[/]   "
        yield mark, f"facts {name}: {', '.join(parts)}"


def _check_mail(here: Settings) -> str:
    from tiering.connections import SMTP, mail_server_of

    server = mail_server_of()
    if server is None:
        return f"no connection {SMTP}: mails are written to {here.mail_dir}"
    try:
        kind = smtplib.SMTP_SSL if server.security == "ssl" else smtplib.SMTP
        with kind(server.host, server.port, timeout=server.timeout) as client:
            if server.security == "starttls":
                client.starttls(context=ssl.create_default_context())
            if server.user:
                client.login(server.user, server.password or "")
    except smtplib.SMTPAuthenticationError as error:
        raise TieringError(
            f"{SMTP}: {server.host}:{server.port} refuses the login ({error.smtp_code}); correct it"
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise TieringError(
            f"{SMTP}: {server.host}:{server.port} cannot be used ({type(error).__name__}); correct the connection"
        ) from None
    return f"{server.host}:{server.port} accepts us"


def _check_as_of(here: Settings, policy: Policy, as_of: str) -> str:
    from tiering.jobs import choose_as_of, covered_through

    through = covered_through(_warehouse())
    today = datetime.now(UTC).astimezone(here.zone).date()
    day = choose_as_of(policy.as_of, given=as_of, run_day=None, is_scheduled=False, through=through, today=today)
    return f"{day} can be measured; the facts reach {through}"
