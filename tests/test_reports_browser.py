"""What a mail looks like in a browser: nothing overflows, every text can be read, every picture is said in words.

Whole mails as they are written to a folder, in a phone's window and a wide one, in light and dark, in both languages,
and as a client shows them that knows tables and inline styles only.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from test_care_mails import FULL, a_follow_up, a_near
from test_credit_mails import a_change, a_report, a_section, an_over, an_overall
from test_reports_render import HOSTILE, a_full_digest, a_mover, a_notice

from reports import build_message, message_id, render_digest, write_message_files
from reports.digest import (
    Ageing,
    Digest,
    KeyFieldChange,
    Migration,
    SourceDay,
    TierCount,
    TierMix,
)
from reports.render import RenderedDigest
from tools.browser import Browser, find_browser

pytestmark = pytest.mark.skipif(find_browser() is None, reason="Chromium is not installed; tools/chromium.sh does it")

D = Decimal
Scheme = Literal["light", "dark"]
WIDTHS, SCHEMES, LOCALES = (360, 1200), ("light", "dark"), ("en", "zh")
LONGEST = "Vereinigte-Hochdruckdampfkesselrohrleitungsarmaturenwerke-Beteiligungsgesellschaft mbH & Co. KG"
NAMES = (
    *(
        "Harbour Foods",
        LONGEST,
        "W" * 90,
        "上海市浦东新区外高桥保税区国际贸易进出口有限责任公司第一分公司营业部",
        "ש״ח בע״מ",
    ),
    *HOSTILE.values(),
)
INSPECTION = (Path(__file__).parent / "inspect_page.js").read_text(encoding="utf-8")


def a_rich_digest(locale: str) -> Digest:
    """A digest with everything that a manager can be told: long lists, wide numbers, names that are hard to show."""
    directions = (("down", "B", "D"), ("up", "D", "A"), ("new", None, "B"), ("left", "A", None))
    movers = tuple(
        a_mover(
            customer_id=f"C-{number:03}",
            customer_name=NAMES[number % len(NAMES)],
            direction=directions[number % 4][0],
            from_tier=directions[number % 4][1],
            to_tier=directions[number % 4][2],
            value=D(10) ** (number % 13),
        )
        for number in range(220)
    )
    full = a_full_digest(locale=locale)
    tiers = (
        TierCount("A", 1, {"en": "Key accounts that pay in full and on time", "zh": "重点客户"}, 12_345_678, 987_654),
        TierCount("B", 2, {"en": LONGEST}, 52, None),
        TierCount("D", 4, {"en": "Exit review", "zh": "退出评审"}, 9, 6),
    )
    days = [date(2025, month, 28) for month in range(6, 13)] + [date(2026, month, 28) for month in (1, 2, 3)]
    mixes = tuple(TierMix(day, (("A", 30 + place), ("B", 51), ("D", 3 * place))) for place, day in enumerate(days))
    section = replace(full.sections[0], movers=movers, tiers=tiers, mixes=mixes)
    chinese = replace(
        section,
        policy_id="chinese",
        movers=movers[:8],
        mixes=tuple(TierMix(day, (("重点客户", 3), ("一般客户", place + 1))) for place, day in enumerate(days)),
    )
    moves = {("A", "A"): 30, ("A", "B"): 4, ("B", "A"): 2, (None, "D"): 6, ("D", None): 1, ("B", "B"): 45}
    change = KeyFieldChange(
        *("C-1", LONGEST, "credit_rating", "AA", "B" * 80, date(2026, 3, 30), "customers", "7", date(2026, 3, 31))
    )
    buckets = ("ageing_current", "ageing_1_30", "ageing_31_60", "ageing_61_90", "ageing_over_90")
    care = replace(
        FULL,
        near=(*FULL.near, *(a_near(customer_id=f"N-{n:03}", customer_name=NAMES[n % len(NAMES)]) for n in range(30))),
        follow_ups=(*FULL.follow_ups, a_follow_up(customer_name=LONGEST, task={"en": LONGEST, "zh": "W" * 90})),
    )
    return replace(
        full,
        care=care,
        sections=(section, chinese),
        migrations=(Migration(section.policy_id, {}, date(2026, 2, 28), date(2026, 3, 31), ("A", "B", "D"), moves),),
        ageing=(
            Ageing(date(2026, 3, 31), "CNY", tuple((b, D(10) ** (9 - 2 * n)) for n, b in enumerate(buckets)), D(5)),
        ),
        notices=tuple(a_notice(customer_id=f"N-{n:03}", customer_name=NAMES[n % len(NAMES)]) for n in range(60)),
        key_fields=(change,) * 3,
        credit=(a_section(a_change(), a_change(customer_id="C-2", customer_name=LONGEST, limit=D(10) ** 15)),),
        over=(an_over(), an_over(customer_name=LONGEST, owed=D(10) ** 15, over=D(10) ** 15)),
        sources=tuple(SourceDay(entity, date(2026, 3, 1), entity == "sales") for entity in ("sales", "payments")),
        is_correction=True,
        manager_name=LONGEST,
    )


def the_controllers(locale: str) -> Digest:
    others = an_over(customer_id="C-8", customer_name=LONGEST, entity="X" * 40, limited_by="entity")
    return a_report(an_overall(), a_section(lacks="no plan"), over=(an_over(), others), locale=locale)


DIGESTS = {"manager": a_rich_digest, "controller": the_controllers}
CASES = [f"{name}-{locale}{kind}" for name, locale, kind in product(DIGESTS, LOCALES, ("", "-plain"))]


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, RenderedDigest]]:
    """The folder with every mail as a page, and again without its sheet of styles; what was rendered, by name."""
    folder, rendered = tmp_path_factory.mktemp("mails"), {}
    for name, locale in product(DIGESTS, LOCALES):
        key = f"{name}-{locale}"
        rendered[key] = render_digest(DIGESTS[name](locale))
        identity = message_id(key, domain="corp.example")
        message = build_message(
            rendered[key],
            sender="tiering@corp.example",
            recipient="wang.fang@corp.example",
            recipient_name="",
            message_id=identity,
            run_note="r",
            date=datetime(2026, 4, 1, tzinfo=UTC),
        )
        _eml, page, _book = write_message_files(folder, key, bytes(message))
        plain = re.sub(r"<style.*?</style>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        (folder / f"{key}-plain.html").write_text(plain, encoding="utf-8")
    return folder, rendered


@pytest.fixture(scope="module")
def seen(mails: tuple[Path, dict[str, RenderedDigest]]) -> dict[tuple[str, int, str], dict[str, Any]]:
    """What one browser finds of every mail in every window and scheme."""
    found = {}
    with Browser() as browser:
        for case, width, scheme in product(CASES, WIDTHS, SCHEMES):
            browser.open(mails[0] / f"{case}.html", width, scheme)  # type: ignore[arg-type]
            found[case, width, scheme] = browser.evaluate(INSPECTION)
    return found


EACH = pytest.mark.parametrize(("case", "width", "scheme"), list(product(CASES, WIDTHS, SCHEMES)))


@EACH
def test_nothing_overflows(seen, case: str, width: int, scheme: Scheme) -> None:
    page = seen[case, width, scheme]
    assert page["innerWidth"] == width
    assert page["scrollWidth"] <= width
    assert page["beyond"] == []
    assert page["spilt"] == []


@EACH
def test_every_text_stands_out(seen, case: str, width: int, scheme: Scheme) -> None:
    page = seen[case, width, scheme]
    assert page["texts"] > (400 if case.startswith("manager") else 40)
    assert page["faint"] == []


@EACH
def test_every_picture_has_loaded_and_is_said_in_words(seen, case: str, width: int, scheme: Scheme) -> None:
    pictures = seen[case, width, scheme]["pictures"]
    assert len(pictures) == (4 if case.startswith("manager") else 0)
    for picture in pictures:
        assert len(picture["alt"]) > 30
        assert picture["naturalWidth"] >= 2 * min(picture["width"], 480)
        assert picture["width"] == pytest.approx(min(width - 40, 480), abs=1)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", DIGESTS)
def test_the_two_schemes_are_two(seen, name: str, locale: str) -> None:
    light, dark = (seen[f"{name}-{locale}", 360, scheme]["paper"] for scheme in SCHEMES)
    assert light == "rgb(255, 255, 255)"
    assert dark not in (light, "rgba(0, 0, 0, 0)")
    assert seen[f"{name}-{locale}-plain", 360, "dark"]["paper"] == light


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", DIGESTS)
def test_the_page_and_its_text_twin_name_the_same_customers_in_the_same_order(mails, seen, name, locale) -> None:
    on_page = [tuple(entry) for entry in seen[f"{name}-{locale}", 360, "light"]["entries"] if entry[1]]
    entries = re.findall(r"^\* (.+) \(([CN]-\d+)\)(?: \| (.*))?$", mails[1][f"{name}-{locale}"].text, re.MULTILINE)
    in_text = [(customer, key, " | ".join(filter(None, said.split(" | ")))) for customer, key, said in entries]
    assert len(on_page) > (250 if name == "manager" else 1)
    assert on_page == in_text


def test_the_inspection_sees_what_is_wrong(tmp_path: Path) -> None:
    """Each fault is found, so that the tests above can fail."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<meta charset="utf-8"><body style="margin:0;background:#fff"><p style="color:#999">faint</p>'
        '<p style="color:#767676">fair</p><p style="color:#999;font-size:24px">large and pale</p>'
        '<p style="width:500px">wide</p><img src="data:image/png;base64,AAAA" alt="">'
        '<p style="color:#00000080">half</p><table style="table-layout:fixed;width:100px">'
        "<tr><td>WWWWWWWWWWWWWWW</table>",
        encoding="utf-8",
    )
    with Browser() as browser:
        browser.open(page, 360)
        found = browser.evaluate(INSPECTION)
    assert found["scrollWidth"] == 500
    assert [element["tag"] for element in found["beyond"]] == ["P"]
    assert found["spilt"] == ["WWWWWWWWWWWWWWW"]
    assert [text["text"] for text in found["faint"]] == ["faint", "large and pale", "half"]
    assert found["pictures"][0]["alt"] == ""
    assert found["pictures"][0]["naturalWidth"] == 0
