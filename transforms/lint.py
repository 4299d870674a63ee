"""Lint: prove a policy, and name the point that falls in a gap, matches twice, or can never be reached.

A finding is an error when some customer could be left without a tier, or decided otherwise than the policy
reads; it is a warning when the policy decides, but perhaps not what its author means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import product
from typing import Any, Literal

import numpy as np

from sql.errors import TieringError
from transforms.conditions import Condition, spell_number
from transforms.decide import find
from transforms.policy import Policy, parse_policy
from transforms.policy_text import PolicyText
from transforms.probes import OTHER_TEXT, Domain, Grid, Known, Probes, make_grid, measure_name
from transforms.shapes import Composite, Line, PointsLine, TierLine, lines_holding

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
    """Parse a policy text and prove it; what does not parse is the one finding.

    Returns (policy or None, findings in the order of the text).
    """
    try:
        policy = parse_policy(text, name)
    except TieringError as error:
        match = re.match(r"(?P<file>.*?):(?P<line>\d+): (?P<message>.*)", str(error))
        line, message = (int(match["line"]), match["message"]) if match else (1, str(error))
        stem = re.sub(r"\.yaml$", "", name.rpartition("/")[2])
        return None, [Finding(stem, "error", "language", "", line, message)]
    return policy, lint_policy(policy, library)


def lint_policy(policy: Policy, library: Mapping[str, Known]) -> list[Finding]:
    """Return every finding on a policy; `library` holds the measures there are, by name (with its basis)."""
    return _Linter(policy, library).findings()


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
    def __init__(self, policy: Policy, library: Mapping[str, Known]) -> None:
        self.policy = policy
        self.library = library
        self.probes = Probes(policy, library)
        self.text = PolicyText(policy.text, policy.id) if policy.text else None
        self.found: list[Finding] = []

    def add(self, severity: Severity, rule: str, place: str, message: str, point: str | None = None) -> None:
        path = tuple(int(part) if part.isdecimal() else part for part in place.split(".")) if place else ()
        line = 1
        if self.text is not None:
            line = max(self.text.line_of(path), self.text.line_of(tuple(str(part) for part in path)))
        finding = Finding(self.policy.id, severity, rule, place, line, message, point)
        if finding not in self.found:
            self.found.append(finding)

    def findings(self) -> list[Finding]:
        self._check_names()
        self._check_measures()
        self._check_undefined()
        self._check_languages()
        self._check_shape()
        self._check_credit()
        return sorted(self.found, key=lambda finding: (finding.severity != "error", finding.line, finding.place))

    # What the policy declares

    def _check_names(self) -> None:
        for name in self.policy.indicators:
            if name not in self.policy.used:
                self.add("error", "unused", f"indicators.{name}", f"{name} is declared and never used; remove it")
        for name, entry in self.policy.missing.items():
            if not self.probes.can_be_missing(name):
                self.add("warning", "missing", f"missing.{name}", f"{name} is never undefined; remove the entry")
            elif name not in self.policy.decide.indicators and entry.tier is None:
                self.add("warning", "missing", f"missing.{name}", f"{name} does not decide; remove the entry")

    def _check_measures(self) -> None:
        for name, indicator in self.policy.indicators.items():
            known = self.library.get(measure_name(indicator)) if indicator.measure is not None else None
            if known is not None and indicator.unit not in (None, known.unit) and known.unit in ("text", "flag"):
                message = f"the measure is a {known.unit}; say unit: {known.unit}"
                self.add("error", "unit", f"indicators.{name}", message)
            if known is not None and known.unit in ("text", "flag") and indicator.unit is None:
                self.add(
                    "error", "unit", f"indicators.{name}", f"the measure is a {known.unit}; say unit: {known.unit}"
                )

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

    def check_scale(self, place: str, lines: Sequence[Line], subject: str, domain: Domain) -> None:
        """Find gaps, overlaps and lines that hold nothing, of a scale on values of `domain`."""
        stated = [line for line in lines if not line.is_rest]
        names = [name for line in stated for name in line.names]
        bounds = {bound for line in stated for bound in (line.stated.low, line.stated.high) if bound is not None}
        points = domain.points(bounds, names)
        held = [lines_holding(list(lines), point) for point in points]
        gaps = [not found for found in held]
        if not lines[-1].is_rest:
            for first, last in _runs(points, gaps):
                span = show(first) if first == last else f"{show(first)} to {show(last)}"
                message = f"no line holds {subject} = {span}; add a line, or let the last one take what is left"
                self.add("error", "gap", place, message, f"{subject} = {show(first)}")
        for point, found in zip(points, held, strict=True):
            if len(found) > 1:
                results = " and ".join(str(line.result) for line in found)
                numbers = " and ".join(str(list(lines).index(line) + 1) for line in found)
                message = (
                    f"lines {numbers} ({results}) both hold {subject} = {show(point)}; let them exclude one another"
                )
                self.add("error", "overlap", place, message, f"{subject} = {show(point)}")
                break
        reached = [found[0] for found in held if found]
        for index, line in enumerate(lines):
            if line.is_rest:
                if not any(gaps):
                    message = f"the last line ({line.result}) can never be reached: the lines before it hold everything"
                    self.add("error", "unreachable", f"{place}.{index}", message)
            elif line not in reached:
                message = f"line {index + 1} ({line.result}, {line.words}) can never be reached"
                self.add("error", "unreachable", f"{place}.{index}", message)

    def check_tier_order(self, place: str, lines: Sequence[TierLine], better: str | None) -> None:
        """Find bounds that do not stand in the order of the tiers."""
        ordered = self._along(lines, [self.policy.rank_of(line.tier) for line in lines])
        if ordered is None:
            return
        rises = all(low <= high for low, high in zip(ordered, ordered[1:], strict=False))
        falls = all(low >= high for low, high in zip(ordered, ordered[1:], strict=False))
        if (better == "high" and not falls) or (better == "low" and not rises) or not (rises or falls):
            tiers = ", ".join(self.policy.tiers[rank - 1] for rank in ordered)
            message = f"the bounds are out of the order of the tiers: from the lowest value up they give {tiers}"
            self.add("error", "order", place, message)

    def check_points_order(self, place: str, lines: Sequence[PointsLine], better: str | None) -> None:
        """Find points that rise and then fall, or run against `better`."""
        ordered = self._along(lines, [line.points for line in lines])
        if ordered is None:
            return
        rises = all(low <= high for low, high in zip(ordered, ordered[1:], strict=False))
        falls = all(low >= high for low, high in zip(ordered, ordered[1:], strict=False))
        shown = ", ".join(spell_number(points) for points in ordered)
        if (better == "high" and not rises) or (better == "low" and not falls):
            message = f"points run against better: {better}: from the lowest value up they are {shown}"
            self.add("error", "monotone", place, message)
        elif not (rises or falls):
            message = f"points are not monotone: from the lowest value up they are {shown}"
            self.add("warning" if better is None else "error", "monotone", place, message)

    @staticmethod
    def _along(lines: Sequence[Line], results: list[Any]) -> list[Any] | None:
        """Return the results of lines from the lowest value up; None for a scale by names."""
        bounds = [line.stated for line in lines]
        if any(line.names for line in lines):
            return None
        lowest = Decimal(-(10**30))
        upper_only = all(bound.low is None for bound in bounds)
        keys: list[Decimal] = []
        for bound in bounds:
            low = bound.low if bound.low is not None else lowest
            high = bound.high if bound.high is not None else -lowest
            keys.append(high if upper_only else low)
        return [result for _, result in sorted(zip(keys, results, strict=True), key=lambda pair: pair[0])]

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

    def _own_scale(self, place: str, lines: Sequence[Any], indicator: str) -> None:
        self.check_scale(place, lines, indicator, self.probes.domains[indicator])

    def _better(self, indicator: str) -> str | None:
        return self.policy.indicators[indicator].better

    def _check_bands(self) -> None:
        shape = self.policy.decide.shape
        place = f"decide.{self.policy.decide.shapes[0]}.tiers"
        self._own_scale(place, shape.tiers, shape.of)
        if self.policy.publishes == "tier":
            self.check_tier_order(place, shape.tiers, self._better(shape.of))

    def _check_ratio(self) -> None:
        shape = self.policy.decide.shape
        own = self.probes.domains[shape.of]
        above = Domain(own.kind, own.step, shape.red_line, own.high)
        self.check_scale("decide.ratio.tiers", shape.tiers, shape.of, above)
        self.check_tier_order("decide.ratio.tiers", shape.tiers, "high")
        if self.policy.rank_of(shape.below) < max(self.policy.rank_of(line.tier) for line in shape.tiers):
            self.add("error", "order", "decide.ratio.below", f"below the red line stands {shape.below}, above it worse")

    def _check_scorecard(self) -> None:
        shape = self.policy.decide.shape
        sums: set[Decimal] | None = {Decimal(0)}
        least: Decimal | None = Decimal(0)
        most: Decimal | None = Decimal(0)
        for name, points in shape.points.items():
            place = f"decide.scorecard.points.{name}"
            if points.scale is not None:
                self._own_scale(f"{place}.scale", points.scale, name)
                self.check_points_order(f"{place}.scale", points.scale, self._better(name))
                own = {line.points * points.weight for line in points.scale}
                sums = {total + each for total in sums for each in own} if sums is not None else None
                sums = None if sums is not None and len(sums) > 100_000 else sums
                low, high = min(own), max(own)
            else:
                sums = None
                domain = self.probes.domains[name]
                if domain.low is None or domain.high is None:
                    message = f"{name} is taken as points; say its minimum and maximum, so that the score has a range"
                    self.add("error", "range", place, message)
                if self._better(name) == "low":
                    message = f"points run against better: low: {name} itself is the points"
                    self.add("error", "monotone", place, message)
                low, high = (None if edge is None else edge * points.weight for edge in (domain.low, domain.high))
            least = None if least is None or low is None else least + low
            most = None if most is None or high is None else most + high
        self._check_score("decide.scorecard.tiers", shape.tiers, least, most, sums)

    def _check_score(
        self,
        place: str,
        lines: Sequence[TierLine],
        least: Decimal | None,
        most: Decimal | None,
        sums: set[Decimal] | None,
    ) -> None:
        """Hold the tiers' bounds against the scores that can occur."""
        tops = [line.stated.low for line in lines if line.tier == self.policy.tiers[0] and line.stated.low is not None]
        if most is not None and tops and most < max(tops):
            message = (
                f"the maximum reachable score is {spell_number(most)}, below the bound of tier "
                f"{self.policy.tiers[0]} ({spell_number(max(tops))}): nobody can ever be in it"
            )
            self.add("error", "maximum", place, message, f"score = {spell_number(most)}")
        self.check_tier_order(place, lines, "high")
        if sums is None:
            self.check_scale(place, lines, "score", Domain("number", low=least, high=most))
            return
        self._check_values(place, lines, "score", sorted(sums))

    def _check_values(self, place: str, lines: Sequence[TierLine], subject: str, values: list[Decimal]) -> None:
        """Hold a scale against the only values there are."""
        reached = set()
        for value in values:
            found = lines_holding(list(lines), value)
            if not found and not lines[-1].is_rest:
                message = f"no tier holds {subject} = {spell_number(value)}; add one, or let the last take what is left"
                self.add("error", "gap", place, message, f"{subject} = {spell_number(value)}")
            if len(found) > 1:
                tiers = " and ".join(line.tier for line in found)
                message = f"tiers {tiers} both hold {subject} = {spell_number(value)}; let them exclude one another"
                self.add("error", "overlap", place, message, f"{subject} = {spell_number(value)}")
            reached.add(lines.index(found[0]) if found else len(lines) - 1)
        for index, line in enumerate(lines):
            if index not in reached:
                shown = line.words or "else"
                message = f"tier {line.tier} ({shown}) can never be reached: no {subject} falls there"
                self.add("error", "unreachable", f"{place}.{index}", message)
            never = self._never(line, values)
            if never:
                message = (
                    f"{subject} {never} of tier {line.tier} can never occur; the bound promises more than there is"
                )
                self.add("warning", "never", f"{place}.{index}", message)

    @staticmethod
    def _never(line: TierLine, values: list[Decimal]) -> str:
        """Return the whole numbers that a line with two bounds holds and that no value takes."""
        low, high = line.stated.low, line.stated.high
        if low is None or high is None or high - low > 50 or any(value % 1 for value in values):
            return ""
        whole = [Decimal(number) for number in range(int(low), int(high) + 1)]
        return ", ".join(spell_number(n) for n in whole if n in line.stated and n not in values)

    def _check_matrix(self) -> None:
        shape = self.policy.decide.shape
        for side in ("rows", "columns"):
            axis = getattr(shape, side)
            self._own_scale(f"decide.matrix.{side}.levels", axis.levels, axis.of)
        if shape.tiers is not None:
            cells = sorted({cell for cells in shape.cells.values() for cell in cells})
            self._check_values("decide.matrix.tiers", shape.tiers, "score", cells)
            self.check_tier_order("decide.matrix.tiers", shape.tiers, "high")
        if self.policy.publishes == "class":
            return
        ranks = [
            [self._cell_rank(shape.tier_at(row, column)) for column in shape.columns.names] for row in shape.rows.names
        ]
        for way, rows in (("along a row", ranks), ("down a column", list(zip(*ranks, strict=True)))):
            if any(None not in (a, b) and a > b for row in rows for a, b in zip(row, row[1:], strict=False)):
                message = f"tiers get better {way}, away from the best level; is that meant?"
                self.add("warning", "monotone", "decide.matrix.cells", message)

    def _cell_rank(self, tier: str | None) -> int | None:
        return None if tier is None else self.policy.rank_of(tier)

    def _check_top_share(self) -> None:
        shape = self.policy.decide.shape
        for index, share in enumerate(shape.shares[:-1]):
            smallest = next(
                (
                    count
                    for count in range(1, 100_001)
                    if shape.cuts(count)[index] > (shape.cuts(count)[index - 1] if index else 0)
                ),
                None,
            )
            if smallest is not None and smallest > 1:
                message = f"with fewer than {smallest} graded accounts tier {share.tier} is empty"
                self.add("warning", "small", f"decide.top_share.shares.{index}", message)

    def _check_top_n(self) -> None:
        tiers = self.policy.decide.shape.tiers
        for index, (part, following) in enumerate(zip(tiers, tiers[1:], strict=False)):
            if following.first is not None and following.first <= part.first:
                message = f"tier {following.tier} ends at {following.first}, where {part.tier} has taken everybody"
                self.add("error", "unreachable", f"decide.top_n.tiers.{index + 1}", message)
        if tiers[-1].first is not None:
            message = f"no tier holds {self.policy.decide.shape.rank} = {tiers[-1].first + 1}"
            self.add("error", "gap", "decide.top_n.tiers", message, f"rank = {tiers[-1].first + 1}")

    def _check_lowest(self) -> None:
        shape = self.policy.decide.shape
        for name, lines in {**shape.of, **shape.auxiliary}.items():
            side = "of" if name in shape.of else "auxiliary"
            self._own_scale(f"decide.lowest.{side}.{name}", lines, name)
            self.check_tier_order(f"decide.lowest.{side}.{name}", lines, self._better(name))
        best = {name: min(self.policy.rank_of(line.tier) for line in lines) for name, lines in shape.of.items()}
        for tier in shape.tiers_given:
            rank = self.policy.rank_of(tier)
            gives = any(line.tier == tier for lines in shape.of.values() for line in lines)
            if not gives or any(other > rank for other in best.values()):
                worst = max(best, key=lambda name: best[name])
                ceiling = self.policy.tiers[best[worst] - 1]
                message = f"tier {tier} can never be reached: {worst} is never better than {ceiling}"
                self.add("error", "unreachable", f"decide.lowest.of.{worst}", message)

    def _check_composite(self) -> None:
        shape: Composite = self.policy.decide.shape
        digits: list[list[int]] = []
        for index, digit in enumerate(shape.digits):
            if digit.scale is not None:
                self._own_scale(f"decide.composite.digits.{index}.scale", digit.scale, digit.of)
                digits.append(sorted({line.digit for line in digit.scale}))
            else:
                domain = self.probes.domains[digit.of]
                low, high = int(domain.low or 0), int(domain.high if domain.high is not None else 9)
                digits.append(list(range(low, min(high, 9) + 1)))
                if high > 9:
                    message = f"{digit.of} goes up to {high}; a digit is 0 to 9"
                    self.add("error", "range", f"decide.composite.digits.{index}", message)
        codes = ["".join(map(str, code)) for code in product(*digits)]
        if shape.tiers is not None:
            sums = sorted({Decimal(sum(map(int, code))) for code in codes})
            self._check_score("decide.composite.tiers", shape.tiers, sums[0], sums[-1], set(sums))
        else:
            self._check_segments(shape, codes)

    def _check_segments(self, shape: Composite, codes: list[str]) -> None:
        segments = shape.segments or []
        stated = [segment for segment in segments if not segment.is_rest]
        held = {code: [s for s in stated if s.holds(shape.indicators, code)] for code in codes}
        empty = [s for s in stated if not any(found and found[0] is s for found in held.values())]
        for segment in empty:
            place = f"decide.composite.segments.{segments.index(segment)}"
            message = f"segment {segment.tier} is always empty: segments before it hold all its codes"
            if not any(segment in found for found in held.values()):
                message = f"segment {segment.tier} is always empty: no such code can occur"
            self.add("error", "unreachable", place, message)
        twice = [code for code in codes if len(held[code]) > 1]
        if twice:
            tiers = " and ".join(segment.tier for segment in held[twice[0]])
            message = f"{len(twice)} of {len(codes)} codes are in more than one segment, such as {twice[0]}: {tiers}"
            self.add("error", "overlap", "decide.composite.segments", message, f"code = {twice[0]}")
        left = [code for code in codes if not held[code]]
        rest = segments[-1] if segments and segments[-1].is_rest else None
        if left:
            which = f"{len(left)} of {len(codes)} codes are in no segment, such as {left[0]}"
            place = "decide.composite.segments"
            if rest is None:
                self.add("error", "gap", place, f"{which}; name a segment for them", f"code = {left[0]}")
            else:
                message = f"{which}; they fall to {rest.tier}, is that meant?"
                self.add("warning", "rest", place, message, f"code = {left[0]}")
        elif rest is not None:
            place = f"decide.composite.segments.{len(segments) - 1}"
            self.add("error", "unreachable", place, f"segment {rest.tier} is always empty: every code is in another")

    # Rules and quadrants: on a grid of points

    def _check_rules(self) -> None:
        rules = self.policy.decide.shape
        grid, graded = self._check_grid()
        open_ = graded.copy()
        truths = []
        frame = {name: _series(column) for name, column in grid.columns.items()}
        for rule in rules.of:
            truths.append(np.ones(grid.rows, dtype=bool) if rule.condition is None else _holds(rule.condition, frame))
        for index, (rule, truth) in enumerate(zip(rules.of, truths, strict=True)):
            first = open_ & truth
            if not first.any():
                why = "the rules before it hold everybody" if (graded & truth).any() else "no point satisfies it"
                message = f"rule {index + 1} ({rule.tier}) can never be reached: {why}"
                self.add("error", "unreachable", f"decide.rules.{index}", message)
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

    def _check_grid(self) -> tuple[Grid, Any]:
        """Decide all representative points: find gaps, tiers that are never given, steps against `better`."""
        policy, probes = self.policy, self.probes
        names = list(dict.fromkeys([*policy.decide.indicators, *probes.gated, *policy.missing]))
        axes = {name: probes.values(name, with_missing=True) for name in names}
        grid = make_grid(policy, axes)
        if not grid.is_whole:
            message = f"more than {grid.rows} combinations of representative values: proved on a sample of them"
            self.add("warning", "sample", "decide", message)
        found = find(policy, grid.columns, grid.rows)
        open_ = found.is_graded.copy()
        for rows in [*found.undefined.values(), *found.outside.values()]:
            open_ &= ~rows
        gaps = np.flatnonzero(found.gap)
        if len(gaps):
            point = show_point({name: grid.point(int(gaps[0]))[name] for name in policy.decide.indicators})
            message = f"no rule holds at {point}; add one, or let the last take what is left"
            self.add("error", "gap", "decide", message, point)
        given = {policy.tiers[code] for code in np.unique(found.tier[open_]) if code >= 0}
        by_missing = {entry.tier for entry in policy.missing.values()}
        for tier in policy.tiers:
            if tier not in given | by_missing:
                self.add("error", "unreachable", "tiers", f"tier {tier} can never be reached")
        if grid.is_whole and policy.publishes == "tier":
            self._check_steps(grid, np.where(open_ & ~found.gap, found.tier, -1))
        return grid, open_

    def _check_steps(self, grid: Grid, tier: Any) -> None:
        """Find an indicator that is raised (or lowered) to its better end and makes the tier worse."""
        shape = [len(values) for values in grid.axes.values()]
        cube = tier.reshape(shape)
        for axis, (name, values) in enumerate(grid.axes.items()):
            better = self.policy.indicators[name].better
            if better is None or self.policy.indicators[name].value_type != "number":
                continue
            count = len(values) - (values[-1] is None)
            lines = np.moveaxis(cube, axis, 0)[:count]
            lines = lines if better == "high" else lines[::-1]
            worse = (lines[1:] > lines[:-1]) & (lines[:-1] >= 0)
            if worse.any():
                where = tuple(int(part[0]) for part in np.nonzero(worse))
                step = where[0] if better == "high" else count - 1 - where[0]
                following = step + 1 if better == "high" else step - 1
                others = [n for n in grid.axes if n != name]
                rest = {n: grid.axes[n][place] for n, place in zip(others, where[1:], strict=True)}
                message = (
                    f"{name} from {show(values[step])} to {show(values[following])} is better and lowers the tier from "
                    f"{self.policy.tiers[lines[where]]} to {self.policy.tiers[lines[(where[0] + 1, *where[1:])]]} "
                    f"at {show_point(rest)}"
                )
                self.add("error", "monotone", f"indicators.{name}", message, show_point({name: values[step], **rest}))

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
        named = credit.multiplier if credit.budget is not None else credit.limits
        for tier in self.policy.tiers:
            if tier not in named:
                self.add("error", "gap", "credit", f"tier {tier} has no {'multiplier' if credit.budget else 'limit'}")


def _runs(points: Sequence[Any], flags: Sequence[bool]) -> list[tuple[Any, Any]]:
    """Return first and last point of every run of neighbours that are flagged."""
    runs: list[tuple[Any, Any]] = []
    for index, flag in enumerate(flags):
        if flag and index and flags[index - 1]:
            runs[-1] = (runs[-1][0], points[index])
        elif flag:
            runs.append((points[index], points[index]))
    return runs


def _series(column: Any) -> Any:
    import pandas as pd

    return pd.Series(pd.arrays.ArrowExtensionArray(column))


def _holds(condition: Condition, frame: Mapping[str, Any]) -> Any:
    import pandas as pd

    return condition.holds(pd.DataFrame({name: frame[name] for name in condition.indicators}))
