"""Check an installation before it is scheduled: one line per thing, the first wrong one said clearly."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sql.connect import Database, connected, unreachable
from sql.errors import TieringError
from tiering.settings import Settings, read_settings
from transforms.policy import Policy, read_policies


def check_installation(console: Console, as_of: date | None, policy_id: str | None) -> int:
    """Check everything and print a line each; return 0 when all is well, 1 when something is to be corrected.

    With `policy_id`, only this policy is proved and held against `as_of`.
    """
    wrong = 0

    def tell(is_well: bool, name: str, said: str) -> bool:
        nonlocal wrong
        wrong += not is_well
        mark = "[green]ok[/]   " if is_well else "[red]wrong[/]"
        console.print(f"{mark}  {name}: {escape(said)}", soft_wrap=True)
        return is_well

    def step(name: str, look: Callable[[], str]) -> bool:
        try:
            return tell(True, name, look())
        except TieringError as error:
            return tell(False, name, str(error))

    try:
        here = read_settings()
    except TieringError as error:
        tell(False, "settings", str(error))
        return 1
    tell(True, "settings", f"source {here.source.name}, currency {here.reporting_currency}, time zone {here.timezone}")
    policies: dict[str, Policy] = {}

    # A source that is wrong itself is said once, and not by every policy.
    source = here.source if step("source", lambda: _check_source(here)) else None
    step("policies", lambda: _check_policies(here, source, policy_id, policies))
    is_reached = step("warehouse", _check_warehouse)
    for name, risk in _risks().items():
        if here.strict_roles:
            tell(False, name, risk)
        else:
            console.print(f"[yellow]risk[/]   {name}: {escape(risk)}", soft_wrap=True)
    if is_reached:
        for mark, line in _freshness(here):
            console.print(f"{mark}  {escape(line)}", soft_wrap=True)
    step("mail", lambda: _check_mail(here))
    if as_of is not None and is_reached:
        for (is_well, said), ids in _check_day(here, policies, as_of).items():
            tell(is_well, f"as_of {', '.join(ids)}", said)
    return 1 if wrong else 0


def _check_policies(here: Settings, source: Path | None, policy_id: str | None, policies: dict[str, Policy]) -> str:
    """Put the policies that are asked for into `policies` and prove them."""
    from tiering.lint import lint_file, policy_files

    files = policy_files([here.policies])
    known = read_policies(here.policies)
    if policy_id is not None and policy_id not in known:
        near = get_close_matches(policy_id, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
        raise TieringError(f"there is no policy {policy_id}; {hint}")
    policies.update(known if policy_id is None else {policy_id: known[policy_id]})
    for path in files:
        if policy_id in (None, path.stem):
            errors = [finding for finding in lint_file(path, source)[1] if finding.severity == "error"]
            if errors:
                place = f"{here.policies.name}/{path.name}:{errors[0].line}"
                raise TieringError(f"{place}: {errors[0].message} (tiering lint says more)")
    return f"{len(policies)} proved: {', '.join(sorted(policies))}"


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
    from tiering.runtime import check_shared

    check_shared()
    database = _warehouse()
    with connected(database, "tiering_warehouse"):
        return f"{database.place} can be reached"


def _risks() -> dict[str, str]:
    """Say by connection what its user could do and should not; nothing about a database that is not reached."""
    from tiering.connections import source_of
    from tiering.roles import excess_of_users

    try:
        source = source_of()
    except TieringError:  # said as such above
        source = None
    try:
        return excess_of_users(_warehouse(), source)
    except TieringError:
        return {}


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


def _check_day(here: Settings, policies: dict[str, Policy], as_of: date) -> dict[tuple[bool, str], list[str]]:
    """Return by outcome, whether the day can be measured and what to say, the policies that it is the outcome of."""
    from tiering.jobs import choose_as_of, covered_through

    through = covered_through(_warehouse())
    today = datetime.now(UTC).astimezone(here.zone).date()
    outcomes: dict[tuple[bool, str], list[str]] = {}
    for name, policy in policies.items():
        outcome = (True, f"{as_of} can be measured; the facts reach {through}")
        try:
            choose_as_of(
                policy.as_of,
                given=as_of.isoformat(),
                run_day=None,
                is_scheduled=False,
                through=through,
                today=today,
            )
        except TieringError as error:
            outcome = (False, str(error))
        outcomes.setdefault(outcome, []).append(name)
    return outcomes
