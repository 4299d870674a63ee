"""Rendering mails of 200 movers each, without charts and with them, against filling in their templates, in one run.

Run: .venv/bin/python benchmarks/render.py [--managers 250] [--movers 200] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from time import process_time

from reports import build_message, charts, render
from reports.digest import (
    Ageing,
    Digest,
    Direction,
    Driver,
    Migration,
    Mover,
    PolicySection,
    TierCount,
    TierMix,
)
from reports.render import RenderedDigest, render_digest
from reports.wording import Language

TIERS = ("platinum", "gold", "iron", "lead")
DAYS = tuple(date(2025 + month // 12, month % 12 + 1, 28) for month in range(4, 16))
DIRECTIONS: tuple[Direction, ...] = ("up", "down", "new", "left")
NAMES = ("Kestrelby Machinery GmbH", "上海汇岭包装有限公司", "Aldhaven Chemicals B.V.", "天津安驰机电有限公司")
TITLES = {
    "sales_rank": {"en": "rank by net sales", "zh": "销售额排名"},
    "net_sales": {"en": "net sales of 12 months", "zh": "12 个月净销售额"},
}
MOVES: dict[tuple[str | None, str | None], int] = {
    (before, after): 9 * (4 - abs(one - other)) for one, before in enumerate(TIERS) for other, after in enumerate(TIERS)
}
AGEING = Ageing(
    DAYS[-1], "CNY", tuple((f"ageing_{n}_{n + 29}", Decimal(9_000_000 // n)) for n in (1, 31, 61, 91)), Decimal(0)
)


def make_digest(number: int, movers: int) -> Digest:
    """Return one manager's digest: movers with two drivers each, own tiers over time, and what all managers share."""
    chance = random.Random(number)  # noqa: S311 - the same digests in every run
    found = []
    for place in range(movers):
        direction = DIRECTIONS[chance.randrange(4)]
        better, worse = sorted(chance.sample(range(len(TIERS)), 2))
        before, after = (better, worse) if direction == "down" else (worse, better)
        drivers = (
            Driver("sales_rank", TITLES["sales_rank"], "rank", Decimal(chance.randrange(99)), Decimal(200 + place)),
            Driver(
                "net_sales",
                TITLES["net_sales"],
                "money",
                Decimal(chance.randrange(10**8)) / 100,
                Decimal(chance.randrange(10**8)) / 100,
            ),
        )
        found.append(
            Mover(
                customer_id=f"{number:04}{place:05}",
                customer_name=f"{NAMES[place % len(NAMES)]} {place}",
                from_tier=None if direction == "new" else TIERS[before],
                to_tier=None if direction == "left" else TIERS[after],
                direction=direction,
                cause="measures",
                drivers=drivers,
                value=Decimal(chance.randrange(10**9)) / 100,
            )
        )
    mixes = tuple(TierMix(day, tuple((tier, chance.randrange(5, 90)) for tier in TIERS)) for day in DAYS)
    tiers = tuple(
        TierCount(tier, rank, {"en": tier.title()}, count, count - 1)
        for rank, (tier, count) in enumerate(mixes[-1].customers, start=1)
    )
    title = {"en": "Customer pyramid", "zh": "客户金字塔"}
    section = PolicySection("pyramid", title, DAYS[-1], tiers, tuple(found), {}, mixes)
    return Digest(
        manager_id=f"m{number}",
        manager_name="Wang Fang",
        recipient="wang.fang@tiering.example",
        locale="zh" if number % 2 else "en",
        currency="CNY",
        sections=(section,),
        quarantined=(),
        migrations=(Migration("pyramid", title, DAYS[-2], DAYS[-1], TIERS, MOVES),),
        ageing=(AGEING,),
    )


def rate(work: Callable[[Digest], object], digests: list[Digest], rounds: int) -> float:
    """Return how many digests a second of one core takes, the best of some rounds; what was drawn is forgotten."""
    best = 0.0
    for _ in range(rounds):
        for draw in (charts._draw_mixes, charts._draw_migration, charts._draw_ageing):
            draw.cache_clear()
        start = process_time()
        for digest in digests:
            work(digest)
        best = max(best, len(digests) / (process_time() - start))
    return best


def fill_in(digest: Digest) -> None:
    """Fill in both templates and nothing else: no figures, no styles, no workbook."""
    language, environment = Language(digest.locale), render._environment()
    for name in ("digest.html.j2", "digest.txt.j2"):
        environment.get_template(name).render(page=PAGES[digest.manager_id], _=language)


def mail(rendered: RenderedDigest) -> bytes:
    """Return the bytes of the mail, as the outbox keeps them."""
    return bytes(
        build_message(
            rendered,
            sender="tiering@tiering.example",
            recipient="wang.fang@tiering.example",
            recipient_name="",
            message_id="<1@tiering.example>",
            run_note="benchmark",
            date=datetime(2026, 4, 1, tzinfo=UTC),
        )
    )


PAGES = {}


def main() -> None:
    """Print mails per second of one core and their ratios to the templates alone, and what one mail weighs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--managers", type=int, default=250, help="managers, a sample of 1000 (default: 250)")
    parser.add_argument("--movers", type=int, default=200, help="movers of each (default: 200)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, the best counts (default: 3)")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    digests = [make_digest(number, options.movers) for number in range(options.managers)]
    PAGES.update((d.manager_id, render._lay_out(d, Language(d.locale), True)) for d in digests)
    templates = rate(fill_in, digests, options.rounds)
    plain = rate(lambda digest: render_digest(digest, has_charts=False), digests, options.rounds)
    drawn = rate(render_digest, digests, options.rounds)
    whole = rate(lambda digest: mail(render_digest(digest)), digests, options.rounds)
    example = render_digest(digests[0])
    print(f"{options.managers} managers, {options.movers} movers each, one core")
    print(f"templates alone      {templates:6.1f} a second")
    print(f"mails without charts {plain:6.1f} a second   ratio {plain / templates:.2f}   (20 a second or more)")
    print(f"mails with charts    {drawn:6.1f} a second   ratio {drawn / templates:.2f}   (5 a second or more)")
    print(f"built as messages    {whole:6.1f} a second   ratio {whole / templates:.2f}")
    print(
        f"one mail             {len(mail(example)) / 1000:6.0f} kB, its page {len(example.html.encode()) / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
