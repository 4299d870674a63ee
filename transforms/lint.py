"""Lint: prove a policy, and name the point that falls in a gap, matches twice, or can never be reached.

A finding is an error when some customer could be left without a tier, or decided otherwise than the policy
reads; it is a warning when the policy decides, but perhaps not what its author means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import groupby, pairwise, product
from math import gcd, prod
from typing import Any, Literal

import numpy as np

from sql.errors import TieringError
from transforms.conditions import spell_number
from transforms.decide import find
from transforms.outlook import has_outlook
from transforms.pace import movement_faults, review_faults, task_faults
from transforms.parts import Line, PointsLine, TierLine, find_line, lines_holding
from transforms.policy import Policy, parse_policy
from transforms.policy_errors import PolicyError
from transforms.policy_text import PolicyText
from transforms.probes import (
    FINEST,
    OTHER_TEXT,
    Domain,
    Grid,
    Known,
    Probes,
    conditions_of,
    make_grid,
    measure_name,
    mixed_comparison,
    scales_of,
)
from transforms.shapes import Composite, Scorecard

MAXIMUM_SCORES = 10_000
"""More different scores (or codes) than these are not counted one by one."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """What the linter found: where, what, and the point that shows it."""

    policy_id: str
    severity: Severity
    rule: str
    place: str
    line: int
    message: str
    point: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)


def lint_text(text: str, name: str, library: Mapping[str, Known]) -> tuple[Policy | None, list[Finding]]:
    """Parse a policy text and prove it; of one that does not parse, what keeps it from that is found.

    Returns (policy or None, findings in the order of the text).
    """
    try:
        policy = parse_policy(text, name)
    except TieringError as error:
        match = re.match(r"(?:(?P<line>\d+):)? ?(?P<message>.*)", str(error).removeprefix(f"{name}:"))
        told = [(int(match["line"] or 1), match["message"])] if match else [(1, str(error))]
        problems = error.problems if isinstance(error, PolicyError) else told
        stem = re.sub(r"\.yaml$", "", name.rpartition("/")[2])
        return None, in_order(Finding(stem, "error", "language", "", *problem) for problem in problems)
    return policy, lint_policy(policy, library)


def lint_policy(policy: Policy, library: Mapping[str, Known]) -> list[Finding]:
    """Return every finding on a policy; `library` holds the measures there are, by name (with its basis)."""
    return _Linter(policy, library).findings()


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, each once, errors first, in the order of the text."""
    return sorted(
        dict.fromkeys(findings), key=lambda finding: (finding.severity != "error", finding.line, finding.place)
    )


def show(value: Any) -> str:
    """Return a value of a point as a person writes it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value == OTHER_TEXT:
        return "any other text"
    return spell_number(value) if isinstance(value, Decimal) else f"'{value}'"


def show_point(point: Mapping[str, Any]) -> str:
    """Return a point as `net_sales = 1000, is_key = true`."""
    return ", ".join(f"{name} = {show(value)}" for name, value in point.items())


class _Linter:
    probes: Probes

    def __init__(self, policy: Policy, library: Mapping[str, Known]) -> None:
        self.policy = policy
        self.library = library
        self.text = PolicyText(policy.text, policy.id) if policy.text else None
        self.found: list[Finding] = []

    def add(self, severity: Severity, rule: str, place: str, message: str, point: str | None = None) -> None:
        path = tuple(int(part) if part.isdecimal() else part for part in place.split(".")) if place else ()
        line = 1
        if self.text is not None:
            if path[:2] == ("decide", "rules") and (*path[:2], "of") in self.text.lines:
                path = (*path[:2], "of", *path[2:])
            line = max(self.text.line_of(path), self.text.line_of(tuple(str(part) for part in path)))
        self.found.append(Finding(self.policy.id, severity, rule, place, line, message, point))

    def findings(self) -> list[Finding]:
        self._check_kinds()
        if not self.found:  # what mixes kinds cannot be decided anywhere
            self.probes = Probes(self.policy, self.library)
            self._check_names()
            self._check_undefined()
            self._check_gates()
            self._check_shape()
        self._check_measures()
        self._check_languages()
        self._check_credit()
        self._check_pace()
        return in_order(self.found)

    # What the policy declares

    def _check_kinds(self) -> None:
        """Find numbers that are held against texts or flags."""
        kinds = {name: indicator.value_type for name, indicator in self.policy.indicators.items()}
        for place, condition in conditions_of(self.policy).items():
            mixed = mixed_comparison(self.policy, condition)
            if mixed is not None:
                message = f"{mixed} mixes kinds: compare number with number, text with text, flag with flag"
                self.add("error", "kind", place, message)
        for place, name, lines in scales_of(self.policy):
            for index, line in enumerate(lines):
                held = {_kind(value) for value in line.names} if line.names else {"number"}
                if not line.is_rest and held != {kinds[name]}:
                    message = f"{name} is a {kinds[name]}, and {line.words} holds a {' or a '.join(sorted(held))}"
                    self.add("error", "kind", f"{place}.{index}", message)
        for place, name in self._numbers():
            if kinds[name] == "text":
                self.add("error", "kind", place, f"{name} is a text; a number is needed here")
        for name, entry in self.policy.missing.items():
            if entry.as_ is not None and _kind(entry.as_) != kinds[name]:
                message = f"{name} is a {kinds[name]} and cannot count as a {_kind(entry.as_)}"
                self.add("error", "kind", f"missing.{name}", message)

    def _numbers(self) -> Iterator[tuple[str, str]]:
        """Return every place at which the decision takes an indicator as a number: (place, indicator)."""
        decide = self.policy.decide
        if decide.ratio is not None:
            yield "decide.ratio.of", decide.ratio.of
        for name, points in decide.scorecard.points.items() if decide.scorecard is not None else ():
            if points.as_is:
                yield f"decide.scorecard.points.{name}", name
        if decide.quadrant is not None:
            yield "decide.quadrant.x", decide.quadrant.x.of
            yield "decide.quadrant.y", decide.quadrant.y.of
        for index, digit in enumerate(decide.composite.digits) if decide.composite is not None else ():
            if digit.scale is None:
                yield f"decide.composite.digits.{index}", digit.of

    def _check_names(self) -> None:
        for name in self.policy.indicators:
            if name not in self.policy.used:
                self.add("error", "unused", f"indicators.{name}", f"{name} is declared and never used; remove it")
        shown = self.policy.decide.lowest.auxiliary if self.policy.decide.lowest is not None else {}
        for name, entry in self.policy.missing.items():
            if not self.probes.graded_can_miss(name):
                message = f"{name} is never undefined for who passes the gates; remove the entry"
                self.add("warning", "missing", f"missing.{name}", message)
            elif name not in (*self.policy.decide.indicators, *shown) and entry.tier is None:
                self.add("warning", "missing", f"missing.{name}", f"{name} does not decide; remove the entry")

    def _check_measures(self) -> None:
        for name, indicator in self.policy.indicators.items():
            known = self.library.get(measure_name(indicator)) if indicator.measure is not None else None
            if known is not None and known.unit in ("text", "flag") and indicator.unit != known.unit:
                message = f"the measure is a {known.unit}; say unit: {known.unit}"
                self.add("error", "unit", f"indicators.{name}", message)

    def _check_gates(self) -> None:
        """Find gates that let nobody pass."""
        for place, gate in enumerate(self.probes.gates):
            axes = {
                name: self.probes.classes(name) for other in self.probes.gates[: place + 1] for name in other.indicators
            }
            grid = make_grid(self.policy, axes, self.probes.gates[: place + 1])
            passes = np.ones(grid.rows, dtype=bool)
            for other in self.probes.gates[: place + 1]:
                passes &= grid.holds(other)
            if not passes.any():
                name = list(self.policy.gate)[place]
                self.add("error", "unreachable", f"gate.{name}", f"nobody can pass the gate {name}: {gate.text}")
                return

    def _check_undefined(self) -> None:
        asked = self.policy.decide.rules.asked_missing if self.policy.decide.rules else set()
        for name in self.policy.decide.indicators:
            if name in self.policy.missing or name in asked or not self.probes.graded_can_miss(name):
                continue
            indicator = self.policy.indicators[name]
            known = self.library.get(measure_name(indicator)) if indicator.measure is not None else None
            when = f" ({known.undefined_when})" if known is not None else ""
            self.add(
                "error",
                "undefined",
                f"indicators.{name}",
                f"{name} can be undefined{when} and decides; say under missing what that means, or gate on it",
                show_point({name: None}),
            )

    def _check_languages(self) -> None:
        def walk(value: Any, place: str) -> None:
            if isinstance(value, dict):
                if value and set(value) <= {"en", "zh"} and all(isinstance(text, str) for text in value.values()):
                    for language in ("en", "zh"):
                        if language not in value:
                            self.add("warning", "language", place, f"there is no text in {language}")
                    return
                for key, part in value.items():
                    walk(part, f"{place}.{key}" if place else str(key))
            elif isinstance(value, list):
                for index, part in enumerate(value):
                    walk(part, f"{place}.{index}")

        walk(self.policy.model_dump(by_alias=True, exclude={"text"}, exclude_defaults=True), "")
        for tier in self.policy.tiers:
            if tier not in self.policy.actions:
                self.add("warning", "action", "tiers", f"tier {tier} has no action; say what follows from it")

    # Scales

    def check_scale(
        self, place: str, lines: Sequence[Line], subject: str, points: Sequence[Any], stand_in: Any = None
    ) -> list[Any]:
        """Find gaps, overlaps and lines that hold nothing, of a scale on the values `points`, lowest first.

        `stand_in` is held by the scale too, and stands in no order. Returns the line of every point, gaps left out.
        """
        every = [*points, *([] if stand_in is None or stand_in in points else [stand_in])]
        every = sorted(every) if isinstance(stand_in, Decimal) else every
        held = [lines_holding(list(lines), point) for point in every]
        if not lines[-1].is_rest:
            for first, last in _runs(every, [not found for found in held]):
                where, nearest = _where(subject, every, first, last), last if first == every[0] else first
                message = f"no line holds {where}; add a line, or let the last take what is left"
                self.add("error", "gap", place, message, f"{subject} = {show(nearest)}")
        self._check_overlaps(place, lines, subject, every, held)
        reached = [find_line(list(lines), point) for point in every]
        for index, line in enumerate(lines):
            if any(other is line for other in reached):
                continue
            message = f"line {index + 1} ({line.result}, {line.words}) can never be reached"
            if line.is_rest:
                message = f"the last line ({line.result}) can never be reached: the lines before it hold everything"
            self.add("error", "unreachable", f"{place}.{index}", message)
        return [line for point, line in zip(every, reached, strict=True) if line is not None and point in points]

    def _check_overlaps(
        self, place: str, lines: Sequence[Line], subject: str, points: Sequence[Any], held: Sequence[list[Any]]
    ) -> None:
        for one, line in enumerate(lines):
            for other, following in enumerate(lines[one + 1 :], one + 1):
                both = [any(e is line for e in found) and any(e is following for e in found) for found in held]
                for first, last in _runs(points, both):
                    message = (
                        f"lines {one + 1} and {other + 1} ({line.result} and {following.result}) both hold "
                        f"{_where(subject, points, first, last)}; let them exclude one another"
                    )
                    self.add("error", "overlap", f"{place}.{other}", message, f"{subject} = {show(first)}")

    def check_tier_order(self, place: str, lines: Sequence[TierLine], better: str | None) -> None:
        """Find tiers that do not stand in their order; `lines` from the lowest value up."""
        ranks = _steps(self.policy.rank_of(line.tier) for line in lines)
        falls, rises = _is_rising([-rank for rank in ranks]), _is_rising(ranks)
        if (better == "high" and not falls) or (better == "low" and not rises) or not (rises or falls):
            tiers = ", ".join(self.policy.tiers[rank - 1] for rank in ranks)
            message = f"the bounds are out of the order of the tiers: from the lowest value up they give {tiers}"
            self.add("error", "order", place, message)

    def check_rise(self, place: str, what: str, results: Iterable[Decimal], better: str | None) -> None:
        """Find points or digits that rise and then fall, or run against `better`; from the lowest value up."""
        steps = _steps(results)
        rises, falls = _is_rising(steps), _is_rising([-step for step in steps])
        shown = ", ".join(spell_number(step) for step in steps)
        if (better == "high" and not rises) or (better == "low" and not falls):
            message = f"{what} run against better: {better}: from the lowest value up they are {shown}"
            self.add("error", "monotone", place, message)
        elif not (rises or falls):
            self.add(
                "warning", "monotone", place, f"{what} are not monotone: from the lowest value up they are {shown}"
            )

    # Shapes

    def _check_shape(self) -> None:
        decide = self.policy.decide
        name = decide.shapes[0]
        {
            "bands": self._check_bands,
            "assessed": self._check_bands,
            "ratio": self._check_ratio,
            "scorecard": self._check_scorecard,
            "matrix": self._check_matrix,
            "top_share": self._check_top_share,
            "top_n": self._check_top_n,
            "lowest": self._check_lowest,
            "rules": self._check_rules,
            "quadrant": self._check_grid,
            "composite": self._check_composite,
        }[name]()

    def _own_scale(self, place: str, lines: Sequence[Any], indicator: str) -> list[Any]:
        """Hold a scale against the values that somebody graded can have; return the lines they take, lowest first."""
        points = self.probes.graded_values(indicator)
        return self.check_scale(place, lines, indicator, points, self.probes.stand_in(indicator))

    def _is_number(self, indicator: str) -> bool:
        return self.policy.indicators[indicator].value_type == "number"

    def _has_order(self, indicator: str, lines: Sequence[Line]) -> bool:
        """Whether a scale has an order to hold it against: numbers by bounds, or by name where one end is better."""
        by_name = any(line.names for line in lines)
        return self._is_number(indicator) and not (by_name and self._better(indicator) is None)

    def _better(self, name: str) -> str | None:
        """Return the better end of an indicator: of a statistic its own best end, whatever it is taken of."""
        indicator = self.policy.indicators[name]
        if indicator.quantile is not None:
            return "high"
        if indicator.rank is not None or indicator.percent_rank is not None or indicator.cumulative_share is not None:
            return "low"
        return indicator.better

    def _check_bands(self) -> None:
        shape = self.policy.decide.shape
        place = f"decide.{self.policy.decide.shapes[0]}.tiers"
        taken = self._own_scale(place, shape.tiers, shape.of)
        if self.policy.publishes == "tier" and self._has_order(shape.of, shape.tiers):
            self.check_tier_order(place, taken, self._better(shape.of))

    def _check_ratio(self) -> None:
        shape = self.policy.decide.shape
        values, stand_in = self.probes.graded_values(shape.of), self.probes.stand_in(shape.of)
        above = [value for value in values if value >= shape.red_line]
        stand_in_above = stand_in if stand_in is not None and stand_in >= shape.red_line else None
        taken = self.check_scale("decide.ratio.tiers", shape.tiers, shape.of, above, stand_in_above)
        self.check_tier_order("decide.ratio.tiers", taken, "high")
        if len(above) == len(values) and (stand_in is None or stand_in >= shape.red_line):
            message = f"nobody can be below the red line: {shape.of} is never less than {show(min(values))}"
            self.add("error", "unreachable", "decide.ratio.below", message)
        if self.policy.rank_of(shape.below) < max(self.policy.rank_of(line.tier) for line in shape.tiers):
            message = f"below the red line stands {shape.below}, and above it a worse tier"
            self.add("error", "order", "decide.ratio.below", message)

    def _check_scorecard(self) -> None:
        shape: Scorecard = self.policy.decide.shape
        sums: set[Decimal] | None = {Decimal(0)}
        least: Decimal | None = Decimal(0)
        most: Decimal | None = Decimal(0)
        steps: list[Decimal] = []
        low: Decimal | None
        high: Decimal | None
        for name, points in shape.points.items():
            place = f"decide.scorecard.points.{name}"
            if points.scale is not None:
                taken = self._own_scale(f"{place}.scale", points.scale, name)
                if self._has_order(name, points.scale):
                    self.check_rise(f"{place}.scale", "points", (line.points for line in taken), self._better(name))
                own = self._points_of(points.scale, name, taken, points.weight)
                steps += own
                sums = {total + each for total in sums for each in own} if sums is not None else None
                sums = None if sums is not None and len(sums) > MAXIMUM_SCORES else sums
                low, high = min(own), max(own)
            else:
                sums = None
                low, high, step = self._range_of(place, name, points.weight)
                steps += [step, *(edge for edge in (low, high) if edge is not None)]
            least = None if least is None or low is None else least + low
            most = None if most is None or high is None else most + high
        if shape.round is not None:
            least = _round(least, shape.round) if least is not None else None
            most = _round(most, shape.round) if most is not None else None
            sums = {_round(each, shape.round) for each in sums} if sums is not None else None
            steps = [Decimal(1).scaleb(-shape.round)]
        domain = Domain("number", step=_common_step(steps), low=least, high=most)
        self._check_score("decide.scorecard.tiers", shape.tiers, sorted(sums) if sums is not None else None, domain)

    def _points_of(
        self, lines: Sequence[PointsLine], name: str, taken: Sequence[PointsLine], weight: Decimal
    ) -> set[Decimal]:
        """Return the points that a scale can give, weighted; all of its points where it gives none."""
        stand_in = self.probes.stand_in(name)
        by_stand_in = find_line(list(lines), stand_in) if stand_in is not None else None
        given = [*taken, *([by_stand_in] if by_stand_in is not None else [])]
        return {line.points * weight for line in given or lines}

    def _range_of(self, place: str, name: str, weight: Decimal) -> tuple[Decimal | None, Decimal | None, Decimal]:
        """Return least, most and smallest difference of the points that an indicator itself is."""
        domain = self.probes.domains[name]
        if domain.kind == "flag":
            return Decimal(0), weight, weight
        if domain.low is None or domain.high is None:
            message = f"{name} is taken as points; say its minimum and maximum, so that the score has a range"
            self.add("error", "range", place, message)
        if self._better(name) == "low":
            message = f"points run against better: low: {name} itself is the points"
            self.add("error", "monotone", place, message)
        stand_in = self.probes.stand_in(name)
        among = [] if stand_in is None else [stand_in]
        low = None if domain.low is None else min([domain.low, *among]) * weight
        high = None if domain.high is None else max([domain.high, *among]) * weight
        return low, high, domain.step * weight

    def _check_score(self, place: str, lines: Sequence[TierLine], scores: list[Decimal] | None, domain: Domain) -> None:
        """Hold the tiers' bounds against the scores that can occur: just `scores`, or what `domain` holds."""
        best, most = self.policy.tiers[0], domain.high
        tops = [line.stated.low for line in lines if line.tier == best and line.stated.low is not None]
        if most is not None and tops and most < min(tops):
            message = (
                f"the maximum reachable score is {spell_number(most)}, below the bound of tier "
                f"{best} ({spell_number(min(tops))}): nobody can ever be in it"
            )
            self.add("error", "maximum", place, message, f"score = {spell_number(most)}")
        if scores is None:
            bounds = {bound for line in lines for bound in (line.stated.low, line.stated.high) if bound is not None}
            names = [name for line in lines for name in line.names]
            taken = self.check_scale(place, lines, "score", domain.points(bounds, names))
        else:
            taken = self._check_scores(place, lines, scores)
        self.check_tier_order(place, taken, "high")

    def _check_scores(self, place: str, lines: Sequence[TierLine], scores: list[Decimal]) -> list[TierLine]:
        """Hold a scale against the only scores there are; return the lines they take, lowest first."""
        held = [lines_holding(list(lines), score) for score in scores]
        gaps = [score for score, found in zip(scores, held, strict=True) if not found]
        if gaps and not lines[-1].is_rest:
            message = f"no tier holds score = {_some(gaps)}; add one, or let the last take what is left"
            self.add("error", "gap", place, message, f"score = {spell_number(gaps[0])}")
        twice: dict[str, list[Decimal]] = {}
        for score, found in zip(scores, held, strict=True):
            if len(found) > 1:
                twice.setdefault(" and ".join(line.tier for line in found), []).append(score)
        for tiers, among in twice.items():
            message = f"tiers {tiers} both hold score = {_some(among)}; let them exclude one another"
            self.add("error", "overlap", place, message, f"score = {spell_number(among[0])}")
        taken = [found[0] if found else lines[-1] for found in held if found or lines[-1].is_rest]
        for index, line in enumerate(lines):
            if not any(other is line for other in taken):
                message = f"tier {line.tier} ({line.words or 'else'}) can never be reached: no score falls there"
                self.add("error", "unreachable", f"{place}.{index}", message)
            never = self._never(line, scores)
            if never:
                message = f"score {never} of tier {line.tier} can never occur; the bound promises more than there is"
                self.add("warning", "never", f"{place}.{index}", message)
        return taken

    @staticmethod
    def _never(line: TierLine, scores: list[Decimal]) -> str:
        """Return the whole numbers that a line with two bounds holds and that no score takes."""
        low, high = line.stated.low, line.stated.high
        if low is None or high is None or high - low > 50 or any(score % 1 for score in scores):
            return ""
        whole = [Decimal(number) for number in range(int(low), int(high) + 1)]
        return ", ".join(spell_number(n) for n in whole if n in line.stated and n not in scores)

    def _check_matrix(self) -> None:
        shape = self.policy.decide.shape
        for side in ("rows", "columns"):
            axis = getattr(shape, side)
            taken = self._own_scale(f"decide.matrix.{side}.levels", axis.levels, axis.of)
            if self._is_number(axis.of) and self._better(axis.of) is not None:
                best_first = [Decimal(-axis.names.index(line.level)) for line in taken]
                if not _is_rising(best_first if self._better(axis.of) == "high" else [-place for place in best_first]):
                    message = f"levels stand best first, which runs against better: {self._better(axis.of)}"
                    self.add("error", "order", f"decide.matrix.{side}.levels", message)
        if shape.tiers is not None:
            cells = sorted({cell for cells in shape.cells.values() for cell in cells})
            taken = self._check_scores("decide.matrix.tiers", shape.tiers, cells)
            self.check_tier_order("decide.matrix.tiers", taken, "high")
        if self.policy.publishes == "class":
            return
        ranks = [
            [self._cell_rank(shape.tier_at(row, column)) for column in shape.columns.names] for row in shape.rows.names
        ]
        for way, rows in (("along a row", ranks), ("down a column", list(zip(*ranks, strict=True)))):
            if any(None not in (a, b) and a > b for row in rows for a, b in pairwise(row)):
                message = f"tiers get better {way}, away from the best level; is that meant?"
                self.add("warning", "monotone", "decide.matrix.cells", message)

    def _cell_rank(self, tier: str | None) -> int | None:
        return None if tier is None else self.policy.rank_of(tier)

    def _check_positions(self, place: str, tiers: Sequence[str]) -> None:
        """Find tiers that are given from the first position on in another order than their own."""
        ranks = _steps(self.policy.rank_of(tier) for tier in tiers)
        if not _is_rising(ranks):
            message = f"out of the order of the tiers: from the first position on stand {', '.join(tiers)}"
            self.add("error", "order", place, message)

    def _check_top_share(self) -> None:
        shape = self.policy.decide.shape
        self._check_positions("decide.top_share.shares", [share.tier for share in shape.shares])
        for index, share in enumerate(shape.shares[:-1]):
            smallest = next((count for count in range(1, 10_001) if _takes(shape.cuts(count), index)), None)
            if smallest != 1:
                least = 10_000 if smallest is None else smallest
                message = f"with fewer than {least} graded accounts tier {share.tier} is empty"
                self.add("warning", "small", f"decide.top_share.shares.{index}", message)

    def _check_top_n(self) -> None:
        shape = self.policy.decide.shape
        stated = sorted((part for part in shape.tiers if part.first is not None), key=lambda part: part.first)
        rest = [part for part in shape.tiers if part.first is None]
        self._check_positions("decide.top_n.tiers", [part.tier for part in [*stated, *rest]])
        for part, following in pairwise(stated):
            if following.first == part.first:
                message = f"tier {following.tier} ends at {following.first}, where {part.tier} has taken everybody"
                index = next(i for i, other in enumerate(shape.tiers) if other is following)
                self.add("error", "unreachable", f"decide.top_n.tiers.{index}", message)
        if not rest:
            beyond = stated[-1].first + 1
            message = f"no tier holds {shape.rank} = {beyond}; let the last tier take what is left"
            self.add("error", "gap", "decide.top_n.tiers", message, f"{shape.rank} = {beyond}")

    def _check_lowest(self) -> None:
        shape = self.policy.decide.shape
        best: dict[str, int] = {}
        for name, lines in {**shape.of, **shape.auxiliary}.items():
            side = "of" if name in shape.of else "auxiliary"
            taken = self._own_scale(f"decide.lowest.{side}.{name}", lines, name)
            if self._has_order(name, lines):
                self.check_tier_order(f"decide.lowest.{side}.{name}", taken, self._better(name))
            if name in shape.of:
                best[name] = min(self.policy.rank_of(line.tier) for line in taken or lines)
        for tier in shape.tiers_given:
            if any(other > self.policy.rank_of(tier) for other in best.values()):
                worst = max(best, key=lambda name: best[name])
                ceiling = self.policy.tiers[best[worst] - 1]
                message = f"tier {tier} can never be reached: {worst} is never better than {ceiling}"
                self.add("error", "unreachable", f"decide.lowest.of.{worst}", message)

    def _check_composite(self) -> None:
        shape: Composite = self.policy.decide.shape
        digits: list[list[int]] = []
        for index, digit in enumerate(shape.digits):
            place = f"decide.composite.digits.{index}"
            if digit.scale is not None:
                taken = self._own_scale(f"{place}.scale", digit.scale, digit.of)
                if self._has_order(digit.of, digit.scale):
                    given = (Decimal(line.digit) for line in taken)
                    self.check_rise(f"{place}.scale", "digits", given, self._better(digit.of))
                digits.append(sorted({line.digit for line in taken or digit.scale}))
                continue
            domain = self.probes.domains[digit.of]
            low, high = (Decimal(0), Decimal(1)) if domain.kind == "flag" else (domain.low, domain.high)
            if low is None or high is None or low < 0 or high > 9:
                ends = [show(edge) if edge is not None else "anywhere" for edge in (low, high)]
                message = f"{digit.of} goes from {ends[0]} to {ends[1]}; a digit is 0 to 9: say minimum and maximum"
                self.add("error", "range", place, message)
            if domain.kind == "number" and domain.step % 1:
                message = f"{digit.of} need not be whole, and a digit is; give a scale, or say unit: count"
                self.add("error", "range", place, message)
            first, last = max(0, int(low or 0)), min(9, int(high if high is not None else 9))
            digits.append(list(range(first, last + 1)) or [first])
        if shape.tiers is not None:
            sums = {0}
            for own in digits:
                sums = {total + each for total in sums for each in own}
            scores = sorted(Decimal(total) for total in sums)
            domain = Domain("number", Decimal(1), scores[0], scores[-1])
            self._check_score("decide.composite.tiers", shape.tiers, scores, domain)
        elif prod(map(len, digits)) > MAXIMUM_SCORES:
            message = f"more than {MAXIMUM_SCORES} codes: the segments are not held against them"
            self.add("warning", "sample", "decide.composite.segments", message)
        else:
            self._check_segments(shape, ["".join(map(str, code)) for code in product(*digits)])

    def _check_segments(self, shape: Composite, codes: list[str]) -> None:
        segments = shape.segments or []
        place = "decide.composite.segments"
        held = {
            code: [i for i, s in enumerate(segments) if not s.is_rest and s.holds(shape.indicators, code)]
            for code in codes
        }
        for index, segment in enumerate(segments):
            if segment.is_rest:
                continue
            never = [code for code in segment.codes or [] if code not in held]
            if not any(found and found[0] == index for found in held.values()):
                message = f"segment {segment.tier} is always empty: segments before it hold all its codes"
                if not any(index in found for found in held.values()):
                    message = f"segment {segment.tier} is always empty: no such code can occur"
                self.add("error", "unreachable", f"{place}.{index}", message)
            elif never:
                message = f"segment {segment.tier}: the code {', '.join(never)} can never occur"
                self.add("warning", "never", f"{place}.{index}", message)
        twice = [code for code in codes if len(held[code]) > 1]
        if twice:
            tiers = " and ".join(segments[index].tier for index in held[twice[0]])
            message = f"{len(twice)} of {len(codes)} codes are in more than one segment, such as {twice[0]}: {tiers}"
            self.add("error", "overlap", place, message, f"code = {twice[0]}")
        left = [code for code in codes if not held[code]]
        rest = segments[-1] if segments and segments[-1].is_rest else None
        if left:
            which = f"{len(left)} of {len(codes)} codes are in no segment, such as {left[0]}"
            if rest is None:
                self.add("error", "gap", place, f"{which}; name a segment for them", f"code = {left[0]}")
            else:
                message = f"{which}; they fall to {rest.tier}, is that meant?"
                self.add("warning", "rest", place, message, f"code = {left[0]}")
        elif rest is not None:
            message = f"segment {rest.tier} is always empty: every code is in another"
            self.add("error", "unreachable", f"{place}.{len(segments) - 1}", message)

    # Rules and quadrants: on a grid of points

    def _check_rules(self) -> None:
        rules = self.policy.decide.shape
        grid, graded = self._check_grid()
        truths = [np.ones(grid.rows, dtype=bool) if r.condition is None else grid.holds(r.condition) for r in rules.of]
        open_ = graded.copy()
        for index, (rule, truth) in enumerate(zip(rules.of, truths, strict=True)):
            if not (open_ & truth).any():
                why = "the rules before it hold everybody" if (graded & truth).any() else "no point satisfies it"
                message = f"rule {index + 1} ({rule.tier}) can never be reached: {why}"
                self._add_unreachable(grid, f"decide.rules.{index}", message)
            open_ &= ~truth
        if rules.exclusive:
            stated = [(index, truth) for index, truth in enumerate(truths) if rules.of[index].condition is not None]
            for place, (one, left) in enumerate(stated):
                for other, right in stated[place + 1 :]:
                    both = np.flatnonzero(graded & left & right)
                    if len(both):
                        point = show_point(grid.point(int(both[0])))
                        pair = f"{one + 1} ({rules.of[one].tier}) and {other + 1} ({rules.of[other].tier})"
                        message = f"rules {pair} both hold at {point}; let them exclude one another"
                        self.add("error", "overlap", f"decide.rules.{other}", message, point)

    def _add_unreachable(self, grid: Grid, place: str, message: str) -> None:
        if grid.is_whole:
            self.add("error", "unreachable", place, message)
        else:
            self.add("warning", "unreachable", place, f"{message}, among the points of the sample")

    def _check_grid(self) -> tuple[Grid, Any]:
        """Decide all representative points: find gaps, tiers that are never given, steps against `better`."""
        policy, probes = self.policy, self.probes
        names = list(dict.fromkeys([*policy.decide.indicators, *probes.gated, *policy.missing]))
        rules = policy.decide.rules.of if policy.decide.rules is not None else []
        meant = [rule.condition for rule in rules if rule.condition is not None]
        grid = make_grid(policy, {name: probes.classes(name) for name in names}, [*probes.gates, *meant])
        if not grid.is_whole:
            message = f"too many combinations of representative values: proved on a sample of {grid.rows} of them"
            self.add("warning", "sample", "decide", message)
        found = find(policy, grid.columns, grid.rows)
        open_ = found.is_graded.copy()
        for rows in [*found.undefined.values(), *found.outside.values()]:
            open_ &= ~rows
        self._add_gaps(grid, found.gap)
        given = {policy.tiers[code] for code in np.unique(found.tier[open_]) if code >= 0}
        for tier in policy.tiers:
            if tier not in given:
                self._add_unreachable(grid, "tiers", f"tier {tier} can never be reached")
        if grid.is_whole and policy.publishes == "tier":
            self._check_steps(grid, np.where(open_ & ~found.gap, found.tier, -1))
        return grid, open_

    def _add_gaps(self, grid: Grid, gap: Any) -> None:
        """Name the points that no rule holds, as few boxes that hold them all; of a sample, the first point."""
        policy = self.policy
        left = gap.copy()
        for _ in range(5):
            rows = np.flatnonzero(left)
            if not len(rows):
                return
            point = {
                name: value for name, value in grid.point(int(rows[0])).items() if name in policy.decide.indicators
            }
            where = show_point(point)
            if grid.is_whole:
                box = _box_around(left.reshape([len(classes) for classes in grid.axes.values()]), int(rows[0]))
                left.reshape([len(classes) for classes in grid.axes.values()])[box] = False
                where = self._show_box(grid, box) or where
            message = f"no rule holds where {where}; add one, or let the last take what is left"
            self.add("error", "gap", "decide", message, show_point(point))
            if not grid.is_whole:
                return

    def _show_box(self, grid: Grid, box: tuple[slice, ...]) -> str:
        """Return a box of points in words; an indicator that does not matter is left out."""
        parts = []
        for (name, classes), part in zip(grid.axes.items(), box, strict=True):
            known = [each for each in classes if each.value is not None]
            inside = classes[part]
            if len(inside) >= len(known) and inside[0].value is not None:
                continue
            if inside[0].value is None or not self._is_number(name):
                parts.append(f"{name} = {' or '.join(show(each.value) for each in inside)}")
            elif inside[0].low == inside[-1].high:
                parts.append(f"{name} = {show(inside[0].low)}")
            elif part.start == 0:
                parts.append(f"{name} <= {show(inside[-1].high)}")
            elif part.stop == len(known):
                parts.append(f"{name} >= {show(inside[0].low)}")
            else:
                parts.append(f"{name} = {_span(inside[0].low, inside[-1].high)}")
        return ", ".join(parts)

    def _check_steps(self, grid: Grid, tier: Any) -> None:
        """Find an indicator that is raised (or lowered) to its better end and makes the tier worse."""
        cube = tier.reshape([len(classes) for classes in grid.axes.values()])
        for axis, (name, classes) in enumerate(grid.axes.items()):
            better = self._better(name)
            if better is None or not self._is_number(name):
                continue
            count = len(classes) - (classes[-1].value is None)
            lines = np.moveaxis(cube, axis, 0)[:count]
            lines = lines if better == "high" else lines[::-1]
            worse = (lines[1:] > lines[:-1]) & (lines[:-1] >= 0)
            if worse.any():
                where = tuple(int(part[0]) for part in np.nonzero(worse))
                step = where[0] if better == "high" else count - 1 - where[0]
                following = step + 1 if better == "high" else step - 1
                others = [n for n in grid.axes if n != name]
                rest = {n: grid.axes[n][place].value for n, place in zip(others, where[1:], strict=True)}
                at = f" at {show_point(rest)}" if rest else ""
                ends = (classes[step].high, classes[following].low)
                ends = ends if better == "high" else (classes[step].low, classes[following].high)
                tiers = [self.policy.tiers[lines[(place, *where[1:])]] for place in (where[0], where[0] + 1)]
                message = (
                    f"{name} from {show(ends[0])} to {show(ends[1])} is better and lowers the tier from "
                    f"{tiers[0]} to {tiers[1]}{at}"
                )
                point = show_point({name: ends[0], **rest})
                self.add("error", "monotone", f"indicators.{name}", message, point)

    def _check_credit(self) -> None:
        credit = self.policy.credit
        if credit is None:
            return
        if credit.is_degenerate:
            message = (
                "sales on both levels and equal multipliers cancel: everybody who gets credit gets the same share of "
                "sales; give classes different multipliers, or allocate within a class by sales_times_rate"
            )
            self.add("warning", "degenerate", "credit", message)
        if credit.by is not None:
            return
        named = credit.multiplier if credit.budget is not None else credit.limits
        for tier in self.policy.tiers:
            if tier not in named:
                self.add("error", "gap", "credit", f"tier {tier} has no {'multiplier' if credit.budget else 'limit'}")

    def _check_pace(self) -> None:
        """Find rules of movement, review, tasks and outlook that come to nothing."""
        for place, message in movement_faults(self.policy):
            self.add("warning", "movement", place, message)
        for place, message in review_faults(self.policy):
            self.add("warning", "review", place, message)
        for place, message in task_faults(self.policy):
            self.add("warning", "task", place, message)
        if self.policy.outlook and "outlook" in self.policy.model_fields_set and not has_outlook(self.policy):
            message = "no number that an account can change decides, so that no line is ever near; remove it"
            self.add("warning", "outlook", "outlook", message)


def _runs(points: Sequence[Any], flags: Sequence[bool]) -> list[tuple[Any, Any]]:
    """Return first and last point of every run of neighbours that are flagged."""
    runs: list[tuple[Any, Any]] = []
    for index, flag in enumerate(flags):
        if flag and index and flags[index - 1]:
            runs[-1] = (runs[-1][0], points[index])
        elif flag:
            runs.append((points[index], points[index]))
    return runs


def _box_around(cells: Any, first: int) -> tuple[slice, ...]:
    """Return a box that holds the cell at `first` and, axis by axis, as many of its neighbours as are all set.

    The last place of an axis, where it stands for missing, is a neighbour like others: a box may hold it.
    """
    box = [slice(int(place), int(place) + 1) for place in np.unravel_index(first, cells.shape)]
    for axis, size in enumerate(cells.shape):
        while box[axis].stop < size:
            wider = [*box[:axis], slice(box[axis].stop, box[axis].stop + 1), *box[axis + 1 :]]
            if not cells[tuple(wider)].all():
                break
            box[axis] = slice(box[axis].start, box[axis].stop + 1)
    return tuple(box)


def _kind(value: Any) -> str:
    return "flag" if isinstance(value, bool) else "number" if isinstance(value, Decimal) else "text"


def _span(first: Any, last: Any) -> str:
    return show(first) if first == last else f"{show(first)} to {show(last)}"


def _where(subject: str, points: Sequence[Any], first: Any, last: Any) -> str:
    """Return a run of neighbouring points in words; the outermost points stand for all that are further out."""
    if first != last and isinstance(first, Decimal):
        if first == points[0] and last == points[-1]:
            return f"any {subject}"
        if first == points[0]:
            return f"{subject} <= {show(last)}"
        if last == points[-1]:
            return f"{subject} >= {show(first)}"
    return f"{subject} = {_span(first, last)}"


def _some(scores: Sequence[Decimal]) -> str:
    """Return scores in words, of many the first five."""
    shown = ", ".join(spell_number(score) for score in scores[:5])
    return shown if len(scores) <= 5 else f"{shown} and {len(scores) - 5} more"


def _steps(results: Iterable[Any]) -> list[Any]:
    """Return results with neighbours that are equal taken together."""
    return [result for result, _ in groupby(results)]


def _is_rising(results: Sequence[Any]) -> bool:
    return all(low <= high for low, high in pairwise(results))


def _takes(cuts: Sequence[int], index: int) -> bool:
    """Whether the tier at a place gets anybody."""
    return cuts[index] > (cuts[index - 1] if index else 0)


def _round(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, Context(prec=60))


def _common_step(numbers: Iterable[Decimal]) -> Decimal:
    """Return the largest step of which all numbers are multiples, not below the finest."""
    wholes = [number / FINEST for number in numbers if number]
    if not wholes or any(whole % 1 for whole in wholes):
        return FINEST
    return gcd(*map(int, wholes)) * FINEST
