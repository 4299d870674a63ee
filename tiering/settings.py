"""Settings from `TIERING_*` environment variables, and the one error that a person reads."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sql.contract import CURRENCIES
from sql.errors import TieringError

if TYPE_CHECKING:
    from sql.retention import Keep

ROOT = Path(__file__).resolve().parents[1]

ENGINES = ("warehouse", "spark")
"""Where customers are measured and decided: the warehouse and this process, or a Spark that is told to."""

MOST_DECIDE_TASKS = 32
"""Over how many tasks the deciding of a run is spread at most."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _existing_folder(name: str, value: str) -> Path:
    path = Path(value).expanduser()
    path = path if path.is_absolute() else ROOT / path
    if not _is_folder(name, path):
        raise TieringError(f"{name}: folder {value} does not exist; set it to a folder of policies")
    return path


def _is_folder(name: str, path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:
        raise TieringError(f"{name}: {path} cannot be read; check its permissions") from None


@dataclass(frozen=True)
class Settings:
    """What an installation decides; one field per variable `TIERING_<FIELD>`."""

    source: Path = ROOT / "sql" / "sources" / "demo"
    policies: Path = ROOT / "policies"
    reporting_currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    domain: str = "tiering.example"
    sender: str = ""
    fallback_manager: str = ""
    credit_controller: str = ""
    credit_controller_locale: str = "en"
    general_manager: str = ""
    general_manager_locale: str = "en"
    alert_email: str = ""
    mail_dir: Path = ROOT / "mail"
    data_docs_dir: Path = ROOT / "data_docs"
    handed_in: Path = ROOT / "handed_in"
    review_dir: Path = ROOT / "review"
    export_dir: Path = ROOT / "export"
    mails_per_minute: int | None = None
    follow_ups_on: str = "monday"
    first_day: date | None = None
    minimum_rows: int = 1
    maximum_quarantine_share: str = "0.10"
    maximum_shrink_share: str = "0.5"
    absent_extracts: int = 3
    stale_after_days: int = 7
    full_measures_every_days: int = 7
    pool: str = "default_pool"
    facts_timeout_hours: int = 12
    duckdb_memory: str = "2200MB"
    statement_timeout_seconds: int = 3600
    lock_timeout_seconds: int = 120
    idle_timeout_seconds: int = 300
    strict_roles: bool = False
    keep_decisions_days: int | None = 1830
    keep_components_days: int | None = 1095
    keep_landing_days: int | None = 90
    keep_attempts_days: int | None = 730
    keep_mails_days: int | None = 365
    keep_quarantine_days: int | None = 365
    keep_measures_days: int | None = 35
    override_days: int = 731
    demo_approver: str = ""
    approvers: str = ""
    charts: bool = True
    decide_tasks: int = 1
    key_fields: str = "credit_rating,credit_level,debt_ratio,annual_revenue"
    engine: str = "warehouse"
    spark_dir: Path = ROOT / "spark"

    @property
    def key_field_names(self) -> tuple[str, ...]:
        """The further attributes and assessed indicators whose changes are recorded."""
        return tuple(self.key_fields.split(","))

    def users_of(self, role: str) -> list[dict[str, str]] | None:
        """Return the Airflow users who alone may answer for a role; None: whoever may answer at all."""
        users = [user for name, user in _pairs(self.approvers) if name == role]
        return [{"id": user, "name": user} for user in users] or None

    @property
    def keep(self) -> Keep:
        """How long each kind of row is kept."""
        from sql.retention import Keep

        return Keep(**{name.removeprefix("keep_").removesuffix("_days"): getattr(self, name) for name in _KEPT})

    @property
    def follow_ups_weekday(self) -> int | None:
        """The day of the week (0: Monday) on which overdue follow-ups are told; None: never."""
        return None if self.follow_ups_on == "never" else _WEEKDAYS.index(self.follow_ups_on)

    @property
    def zone(self) -> ZoneInfo:
        """The one time zone in which business days are counted."""
        return ZoneInfo(self.timezone)


def _pairs(value: str) -> list[tuple[str, str]]:
    """Return (role, user) of every `role=user` between commas."""
    parts = (part.partition("=") for part in value.split(",") if part.strip())
    return [(role.strip(), user.strip()) for role, _, user in parts]


_KEPT = tuple(
    f"keep_{what}_days"
    for what in ("decisions", "components", "landing", "attempts", "mails", "quarantine", "measures")
)


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _is_zone(name: str) -> bool:
    try:  # not available_timezones(): it walks the whole folder of zones, and DAG files read the settings
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _closest(word: str, words: list[str]) -> str:
    near = get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _check_plain(variable: str, value: str) -> None:
    """Refuse what no setting holds: a control character, a variable that the shell did not fill in."""
    if not value.isprintable():
        raise TieringError(f"{variable}: the value holds a character that cannot be printed; remove it")
    unfilled = re.search(r"\$(\{[^}]*\}?|\w+)|\{\{.*", value)
    if unfilled:
        raise TieringError(f"{variable}: {unfilled[0]} was not filled in; write the value itself")


def _check_engine(value: str) -> None:
    """Refuse an engine that is not there: Spark's packages are installed by those who want them."""
    if value not in ENGINES:
        raise TieringError(f"TIERING_ENGINE: {value!r} is neither warehouse nor spark{_closest(value, list(ENGINES))}")
    for needed in ("pyspark", "apache-airflow-providers-apache-spark") if value == "spark" else ():
        try:
            distribution(needed)
        except PackageNotFoundError:
            raise TieringError(f"TIERING_ENGINE: spark needs {needed}; install requirements-spark.lock") from None


def _decide_tasks(value: str, engine: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]?", value) or int(value) > MOST_DECIDE_TASKS:
        raise TieringError(f"TIERING_DECIDE_TASKS: a whole number from 1 to {MOST_DECIDE_TASKS} is needed")
    if int(value) > 1 and engine == "spark":
        raise TieringError(
            "TIERING_DECIDE_TASKS: Spark spreads its work itself; leave it out with TIERING_ENGINE=spark"
        )
    return int(value)


def _key_fields(value: str) -> list[str]:
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if not name.isidentifier() or name.startswith("attr_"):
            hint = f"; write {name.removeprefix('attr_')}" if name.startswith("attr_") else ""
            raise TieringError(
                f"TIERING_KEY_FIELDS: {name!r} is no name of an attribute (without attr_) or an assessed indicator"
                f"{hint or '; write such names with commas between them, as in credit_rating,debt_ratio'}"
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise TieringError(f"TIERING_KEY_FIELDS: {twice} stands there twice; name it once")
    return names


def source_folder(value: str) -> Path:
    """Return the folder of SELECTs that `TIERING_SOURCE` names: below sql/sources, or a path.

    Raises TieringError when there is no such folder.
    """
    known = ROOT / "sql" / "sources"
    for candidate in (known / value, Path(value).expanduser()):
        if value and _is_folder("TIERING_SOURCE", candidate):
            return candidate.resolve()
    names = sorted(path.name for path in known.iterdir() if path.is_dir())
    raise TieringError(
        f"TIERING_SOURCE: there is no folder {value!r} below sql/sources, nor as a path"
        f"{_closest(value, names) or '; known: ' + ', '.join(names)}"
    )


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in `environment` (default: the process's), checked.

    Raises TieringError naming the variable, what is wrong and what to do.
    """
    env = os.environ if environment is None else environment
    names = {f"TIERING_{field.name.upper()}": field.name for field in fields(Settings)}
    for variable in env:
        if variable.startswith("TIERING_") and variable not in names:
            raise TieringError(f"{variable}: unknown setting{_closest(variable, list(names)) or ''}")
    given = {names[variable]: value for variable, value in env.items() if variable in names and value != ""}
    for name, value in given.items():
        _check_plain(f"TIERING_{name.upper()}", value)
    values: dict[str, object] = dict(given)
    if "source" in given:
        values["source"] = source_folder(given["source"])
    if "policies" in given:
        values["policies"] = _existing_folder("TIERING_POLICIES", given["policies"])
    for name in ("mail_dir", "data_docs_dir", "handed_in", "review_dir", "export_dir", "spark_dir"):
        if name in given:
            folder = Path(given[name]).expanduser()
            values[name] = folder if folder.is_absolute() else ROOT / folder
            if folder.is_file():
                raise TieringError(f"TIERING_{name.upper()}: {given[name]} is a file; set it to a folder")
    if "engine" in given:
        _check_engine(given["engine"])
    if given.get("reporting_currency", "CNY") not in CURRENCIES:
        raise TieringError("TIERING_REPORTING_CURRENCY: an ISO 4217 code in capitals is needed, such as CNY")
    domain = given.get("domain", "tiering.example")
    if len(domain) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})+", domain):
        raise TieringError("TIERING_DOMAIN: a domain such as tiering.example.com is needed, in small letters")
    zone = given.get("timezone", "Asia/Shanghai")
    if ("/" not in zone and zone != "UTC") or not _is_zone(zone):
        raise TieringError(f"TIERING_TIMEZONE: {zone!r} is no IANA zone, such as Asia/Shanghai")
    if "first_day" in given:
        try:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given["first_day"]):
                raise ValueError
            values["first_day"] = date.fromisoformat(given["first_day"])
        except ValueError:
            raise TieringError("TIERING_FIRST_DAY: a date such as 2024-01-01 is needed") from None
    for name in ("minimum_rows", "absent_extracts", "stale_after_days", "facts_timeout_hours", "override_days"):
        if name in given:
            if not re.fullmatch(r"[1-9][0-9]{0,8}", given[name]):
                raise TieringError(f"TIERING_{name.upper()}: a whole number from 1 to 999999999 is needed")
            values[name] = int(given[name])
    if "full_measures_every_days" in given:
        if not re.fullmatch(r"[0-9]{1,4}", given["full_measures_every_days"]):
            raise TieringError("TIERING_FULL_MEASURES_EVERY_DAYS: a whole number from 0 to 9999 is needed")
        values["full_measures_every_days"] = int(given["full_measures_every_days"])
    if "decide_tasks" in given:
        values["decide_tasks"] = _decide_tasks(given["decide_tasks"], given.get("engine", "warehouse"))
    if given.get("follow_ups_on", "monday") not in (*_WEEKDAYS, "never"):
        word = given["follow_ups_on"]
        raise TieringError(
            f"TIERING_FOLLOW_UPS_ON: {word!r} is no weekday; write one in small letters, as in monday, or never"
            f"{_closest(word.lower(), [*_WEEKDAYS, 'never'])}"
        )
    if "mails_per_minute" in given:
        if not re.fullmatch(r"[1-9][0-9]{0,5}", given["mails_per_minute"]):
            raise TieringError("TIERING_MAILS_PER_MINUTE: a whole number from 1 to 999999 is needed, or nothing")
        values["mails_per_minute"] = int(given["mails_per_minute"])
    if "duckdb_memory" in given and not re.fullmatch(r"[1-9][0-9]{0,4}(MB|GB)", given["duckdb_memory"]):
        raise TieringError("TIERING_DUCKDB_MEMORY: write a number and MB or GB, such as 2200MB")
    for name in ("statement_timeout_seconds", "lock_timeout_seconds", "idle_timeout_seconds"):
        if name in given:
            if not re.fullmatch(r"[1-9][0-9]{0,5}", given[name]):
                raise TieringError(f"TIERING_{name.upper()}: a whole number of seconds from 1 to 999999 is needed")
            values[name] = int(given[name])
    for name in _KEPT:
        kept = env.get(f"TIERING_{name.upper()}")
        if kept is not None:
            if kept not in ("", "forever") and not re.fullmatch(r"[1-9][0-9]{0,4}", kept):
                raise TieringError(f"TIERING_{name.upper()}: a whole number of days from 1 is needed, or forever")
            values[name] = None if kept in ("", "forever") else int(kept)
    for name in ("credit_controller_locale", "general_manager_locale"):
        if given.get(name, "en") not in ("en", "zh"):
            raise TieringError(f"TIERING_{name.upper()}: en or zh is needed")
    for name in ("strict_roles", "charts"):
        if name in given:
            if given[name] not in ("true", "false"):
                raise TieringError(f"TIERING_{name.upper()}: true or false is needed")
            values[name] = given[name] == "true"
    for name in ("maximum_quarantine_share", "maximum_shrink_share"):
        if not re.fullmatch(r"0?\.\d+|0|1(\.0+)?", given.get(name, "0.10")):
            raise TieringError(f"TIERING_{name.upper()}: a fraction from 0 to 1 is needed, such as 0.10")
    for name in ("fallback_manager", "credit_controller", "general_manager", "alert_email", "sender"):
        if given.get(name):
            from reports import check_recipient

            try:
                values[name] = check_recipient(given[name])
            except ValueError as error:
                raise TieringError(f"TIERING_{name.upper()}: {error}") from None
    for role, user in _pairs(given.get("approvers", "")):
        if not role.isidentifier() or not user:
            raise TieringError(
                f"TIERING_APPROVERS: {role!r} has no user; write a role of a policy and an Airflow user, as in "
                "sales_director=ana,general_manager=bo"
            )
    if "key_fields" in given:
        values["key_fields"] = ",".join(_key_fields(given["key_fields"]))
    return Settings(**values)  # type: ignore[arg-type]
