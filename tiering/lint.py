"""`tiering lint`: prove policies, for people in colours, for CI as JSON."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from sql.errors import TieringError
from transforms.lint import Finding, in_order, lint_text
from transforms.policy import Policy
from transforms.policy_text import PolicyText, read_policy_text


def policy_files(paths: Sequence[Path]) -> list[Path]:
    """Return the policy files that `paths` name: files as they are, folders with every .yaml and .yml in them.

    Raises TieringError for a path that is not there or cannot be read, and a folder without a policy.
    """
    files: list[Path] = []
    for path in paths:
        try:
            files += _inside(path) if stat.S_ISDIR(path.stat().st_mode) else [path]
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise TieringError(f"{path}: there is no such file or folder; name policies to prove") from None
        except OSError as error:
            raise TieringError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return files


def _inside(folder: Path) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    if not inside:
        raise TieringError(f"{folder}: the folder holds no .yaml file; name a folder of policies")
    return inside


def shown_path(path: Path) -> Path:
    """Return a path as a person here would write it: what lies below the current folder is relative to it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def lint_file(path: Path, source: Path | None) -> tuple[Policy | None, list[Finding]]:
    """Prove one policy file; with `source`, also that it provides what the policy measures."""
    policy, findings = _prove(path, source)
    if path.suffix != ".yaml":
        message = f"only a file that ends in .yaml makes a DAG; rename it {path.stem}.yaml"
        findings.append(Finding(policy.id if policy else path.stem, "error", "name", "", 1, message))
    return policy, in_order(findings)


def _prove(path: Path, source: Path | None) -> tuple[Policy | None, list[Finding]]:
    from sql.measure import read_library
    from sql.provides import find_lacking

    try:
        text = read_policy_text(path, path.name)
    except TieringError as error:
        message = str(error).removeprefix(f"{path.name}: ")
        return None, [Finding(path.stem, "error", "language", "", 1, message)]
    policy, findings = lint_text(text, path.name, read_library())
    if policy is None:
        return None, findings
    if policy.id != path.stem:
        message = f"the id {policy.id} is not the name of the file; rename one of them"
        findings.append(Finding(policy.id, "error", "name", "id", _line(policy, "id"), message))
    faults = _faults_of_measures(policy)
    known = {finding.place for finding in findings if finding.rule == "unit"}
    lacking = find_lacking(policy, source) if source is not None and not faults else []
    for rule, places in (("measure", faults), ("source", lacking)):
        for name, message in places:
            if f"indicators.{name}" not in known:
                line = _line(policy, "indicators", name)
                findings.append(Finding(policy.id, "error", rule, f"indicators.{name}", line, message))
    return policy, findings


def _faults_of_measures(policy: Policy) -> list[tuple[str, str]]:
    """Return (indicator, what is wrong) for every indicator that the library cannot measure."""
    from sql.measure import columns_for

    faults: dict[str, str] = {}
    alone = [{name: each} for name, each in policy.indicators.items() if not each.is_statistic]
    for indicators in [*alone, dict(policy.indicators)]:  # the first one that is refused hides the others
        try:
            columns_for([policy.model_copy(update={"indicators": indicators})])
        except TieringError as error:
            place, _, message = str(error).partition(": ")
            faults.setdefault(place.rpartition(" ")[2], message)
    return list(faults.items())


def _line(policy: Policy, *path: str) -> int:
    return PolicyText(policy.text, policy.id).line_of(path)


def count_accounts(policy: Policy, policies: dict[str, Policy], as_of: date | None) -> tuple[date, list[Any]]:
    """Measure today's accounts in the warehouse and return (the day, how many each line of the policy holds)."""
    import pandas as pd

    from sql.connect import connected
    from sql.measure import read_indicators, take_measures
    from tiering.connections import WAREHOUSE, database_of
    from tiering.jobs import choose_as_of, covered_through
    from tiering.settings import read_settings
    from transforms.tally import tally

    warehouse = database_of(WAREHOUSE)
    today = datetime.now(UTC).astimezone(read_settings().zone).date()
    through = covered_through(warehouse)
    given = as_of.isoformat() if as_of else None
    day = choose_as_of(policy.as_of, given=given, run_day=None, is_scheduled=False, through=through, today=today)
    with connected(warehouse, WAREHOUSE) as connection:
        taken = take_measures(connection, policies.values(), policy.grain, day)
    with connected(warehouse, WAREHOUSE) as connection:
        indicators = read_indicators(connection, policy, taken.table)
    return day, tally(policy, indicators.to_pandas(types_mapper=pd.ArrowDtype))


def run_lint(
    console: Console, paths: Sequence[Path], *, source: Path | None, as_json: bool, with_data: bool, as_of: date | None
) -> int:
    """Prove every policy that `paths` name and print what was found; return 0, or 1 when something is an error."""
    proved = [(path, *lint_file(path, source)) for path in policy_files(paths)]
    counts: dict[Path, tuple[date, list[Any]]] = {}
    if with_data:
        sound = {path: policy for path, policy, findings in proved if policy is not None and _can_be_measured(findings)}
        policies = {policy.id: policy for policy in sound.values()}
        for path, policy, findings in proved:
            if policy is not None and path in sound:
                counts[path] = count_accounts(policy, policies, as_of)
                findings += _findings_of_data(policy, *counts[path])
    errors = sum(finding.severity == "error" for *_, findings in proved for finding in findings)
    if as_json:
        _print_json(proved, counts, errors)
    else:
        _print_plain(console, proved, counts, errors)
    return 1 if errors else 0


def _can_be_measured(findings: list[Finding]) -> bool:
    return not any(finding.rule in ("measure", "unit", "kind") for finding in findings)


def _findings_of_data(policy: Policy, day: date, counts: list[Any]) -> list[Finding]:
    from transforms.tally import SMALL

    found = []
    population = next(count.accounts for count in counts if count.kind == "population")
    if population < SMALL:
        message = f"{population} accounts pass the gates on {day}; below {SMALL} grading is not worth while (S11)"
        found.append(Finding(policy.id, "warning", "population", "", 1, message))
    for count in counts:
        if count.kind in ("gap", "outside", "undefined") and count.accounts:
            line = _line(policy, *count.place.split("."))
            message = f"{count.words} on {day}: {count.accounts} accounts"
            found.append(Finding(policy.id, "error", count.kind, count.place, line, message))
    return found


def _print_json(proved: list[Any], counts: dict[Path, tuple[date, list[Any]]], errors: int) -> None:
    policies = []
    for path, _, findings in proved:
        entry: dict[str, Any] = {"file": str(path), "findings": [finding.plain() for finding in findings]}
        if path in counts:
            day, lines = counts[path]
            entry |= {"as_of": day.isoformat(), "counts": [asdict(line) for line in lines]}
        policies.append(entry)
    json.dump({"errors": errors, "policies": policies}, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _print_plain(console: Console, proved: list[Any], counts: dict[Path, tuple[date, list[Any]]], errors: int) -> None:
    colours = {"error": "red", "warning": "yellow"}
    warnings = 0
    for path, policy, findings in proved:
        if not findings:
            shape = policy.decide.shapes[0] if policy is not None else ""
            console.print(f"[green]ok[/]       {escape(str(path))}  [dim]{shape}[/]", soft_wrap=True)
        for finding in findings:
            warnings += finding.severity == "warning"
            severity = f"[{colours[finding.severity]}]{finding.severity:8}[/]"
            place = escape(f"{path}:{finding.line}")
            text = escape(f"{finding.place}: {finding.message}" if finding.place else finding.message)
            console.print(f"{severity} {place}  {text}  [dim]({finding.rule})[/]", soft_wrap=True)
        if path in counts:
            _print_counts(console, *counts[path])
    whole = f"{len(proved)} policies: {errors} errors, {warnings} warnings"
    console.print(f"[bold]{whole}[/]" if not errors else f"[bold red]{whole}[/]")


def _print_counts(console: Console, day: date, counts: list[Any]) -> None:
    from rich.table import Table

    table = Table(title=f"accounts as of {day}", title_justify="left", show_header=True, box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("where")
    table.add_column("which")
    table.add_column("accounts", justify="right")
    for count in counts:
        table.add_row(count.kind, escape(count.place), escape(count.words), str(count.accounts))
    console.print(table)
