"""Charts of a mail: said as the data say it, the same bytes for the same data, and never a box for a character."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_reports_render import Html, a_digest, a_full_digest, a_mover, luminance

from reports import build_message, charts, drawing, message_id, write_message_files
from reports.charts import (
    MAX_DAYS,
    MAX_MOVES,
    picture_of_ageing,
    picture_of_migration,
    picture_of_mixes,
)
from reports.digest import Ageing, Digest, Migration, PolicySection, TierMix
from reports.drawing import can_draw, hex_of, ink_on, installed_families
from reports.mail import UnsafeHeaderError
from reports.redaction import Redaction
from reports.render import RenderedDigest, render_digest
from reports.wording import Language

D = Decimal
EN, ZH = Language("en"), Language("zh")
FEBRUARY, MARCH = date(2026, 2, 28), date(2026, 3, 31)
PNG = b"\x89PNG\r\n\x1a\n"


def a_section(*mixes: TierMix) -> PolicySection:
    return replace(a_digest().sections[0], mixes=mixes)


def a_mix(day: date, *counts: int, tiers: tuple[str, ...] = ("A", "B", "C")) -> TierMix:
    return TierMix(day, tuple(zip(tiers, counts, strict=True)))


MIXES = (a_mix(FEBRUARY, 3, 1204, 7), a_mix(MARCH, 5, 1198, 0))
MOVES: dict[tuple[str | None, str | None], int] = {
    ("A", "A"): 30,
    ("A", "B"): 4,
    ("A", "C"): 0,
    ("B", "A"): 2,
    ("B", "B"): 45,
    ("C", "A"): 3,
    ("C", None): 1,
    (None, "C"): 6,
}
MIGRATION = Migration("p", {}, FEBRUARY, MARCH, ("A", "B", "C"), MOVES)
AGEING = Ageing(
    MARCH,
    "CNY",
    (
        *(("ageing_current", D("600")), ("ageing_1_30", D("250.5")), ("ageing_31_60", D(0))),
        *(("ageing_61_90", D("100")), ("ageing_over_90", D("49.5"))),
    ),
    D("20"),
)


@pytest.fixture
def no_chinese_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(drawing, "CHINESE_FAMILIES", ())
    installed_families.cache_clear()
    yield
    installed_families.cache_clear()


def size_of(content: bytes) -> tuple[int, int]:
    assert content.startswith(PNG)
    return Image.open(BytesIO(content)).size


def test_the_tiers_over_time_are_said_with_the_first_and_the_last_number() -> None:
    picture = picture_of_mixes(a_section(*MIXES), EN)
    assert picture is not None
    assert picture.text == (
        "Customers per tier, on February 28, 2026 → on March 31, 2026: A 3 → 5; B 1,204 → 1,198; C 7 → 0."
    )
    chinese = picture_of_mixes(a_section(*MIXES), ZH)
    assert chinese is not None
    assert chinese.text == "各等级客户数，2026年2月28日 → 2026年3月31日：A 3 → 5；B 1,204 → 1,198；C 7 → 0。"


def test_a_tier_that_came_or_went_is_counted_as_0_on_the_days_without_it() -> None:
    mixes = (a_mix(FEBRUARY, 4, 9, tiers=("A", "old")), a_mix(MARCH, 4, 8, tiers=("A", "B")))
    picture = picture_of_mixes(a_section(*mixes), EN)
    assert picture is not None
    assert picture.text.endswith(": A 4 → 4; B 0 → 8; old 9 → 0.")


@pytest.mark.parametrize("mixes", [(), MIXES[:1], (a_mix(FEBRUARY, 0, 0, 0), a_mix(MARCH, 0, 0, 0))])
def test_one_day_or_no_customer_draws_nothing(mixes: tuple[TierMix, ...]) -> None:
    assert picture_of_mixes(a_section(*mixes), EN) is None


def test_of_many_days_the_first_and_the_last_are_always_drawn() -> None:
    days = [FEBRUARY + timedelta(days=number) for number in range(400)]
    mixes = [a_mix(day, number, 5, 5) for number, day in enumerate(days, start=1)]
    shown = charts._some_days(mixes)
    assert len(shown) == MAX_DAYS
    assert (shown[0], shown[-1]) == (mixes[0], mixes[-1])
    assert [mix.as_of for mix in shown] == sorted({mix.as_of for mix in shown})
    picture = picture_of_mixes(a_section(*mixes), EN)
    assert picture is not None
    assert "A 1 → 400" in picture.text


def test_the_moves_are_said_with_every_number_the_most_customers_first() -> None:
    picture = picture_of_migration(MIGRATION, EN)
    assert picture is not None
    assert picture.text == "Customers by move: – → C: 6; A → B: 4; C → A: 3; B → A: 2; C → –: 1."
    said = charts.moved_in_words(MIGRATION, EN)
    assert said == "From February 28, 2026 to March 31, 2026: 5 up, 4 down, 6 new, 1 left, 75 as before"
    said = charts.moved_in_words(MIGRATION, ZH)
    assert said == "2026年2月28日至2026年3月31日：升级 5、降级 4、新增 6、退出 1、不变 75"


def test_of_many_pairs_of_tiers_the_rest_is_counted() -> None:
    tiers = tuple("ABCDEF")
    moves: dict[tuple[str | None, str | None], int] = {(a, b): 1 for a in tiers for b in tiers if a != b}
    picture = picture_of_migration(replace(MIGRATION, tiers=tiers, customers=moves), EN)
    assert picture is not None
    assert picture.text.endswith(f"; {len(moves) - MAX_MOVES} other pairs of tiers.")


@pytest.mark.parametrize("moves", [{}, {("A", "A"): 30}, {("A", "A"): 30, ("A", "B"): 0}])
def test_a_migration_in_which_nobody_moved_is_neither_drawn_nor_said(moves: dict[tuple[str, str], int]) -> None:
    migration = replace(MIGRATION, customers=dict(moves))
    assert picture_of_migration(migration, EN) is None
    digest = replace(a_full_digest(), migrations=(replace(migration, policy_id="collection_classes"),))
    assert "From tier to tier" not in render_digest(digest).text


def test_a_tier_that_no_definition_knows_is_drawn_behind_the_others() -> None:
    picture = picture_of_migration(replace(MIGRATION, customers={("Z", "A"): 2, ("A", "A"): 1}), EN)
    assert picture is not None
    assert "Z → A: 2" in picture.text
    assert "2 up" in charts.moved_in_words(replace(MIGRATION, customers={("Z", "A"): 2}), EN)


def test_what_is_open_is_said_in_full_amounts() -> None:
    picture = picture_of_ageing(AGEING, EN)
    assert picture is not None
    assert picture.text == (
        "What is open by age: Not due: CN¥600; 1 to 30 days: CN¥250.50; 31 to 60 days: CN¥0; 61 to 90 days: CN¥100; "
        "over 90 days: CN¥49.50; Disputed: CN¥20."
    )
    assert charts.open_in_words(AGEING, EN) == [
        "Open: CN¥1,000",
        "Overdue: CN¥400 (40.0%)",
        "Disputed, and not among these: CN¥20",
    ]
    assert charts.open_in_words(AGEING, ZH)[1] == "其中逾期：¥400（40.0%）"


def test_the_reporting_currency_is_drawn_and_the_others_are_said_below_it() -> None:
    euros, dollars = (replace(AGEING, currency=currency) for currency in ("EUR", "USD"))
    rendered = render_digest(replace(a_digest(), ageing=(dollars, euros, AGEING)))
    said = rendered.text.partition("Receivables by age\n")[2]
    assert [picture.name[:6] for picture in rendered.pictures] == ["ageing"]
    assert said.index("Open: CN¥1,000") < said.index("In other currencies") < said.index("* EUR") < said.index("* USD")
    assert f"{charts.ageing_in_words(dollars, EN)}" in said
    assert "In other currencies" not in render_digest(replace(a_digest(), ageing=(euros,))).text


def test_nothing_open_draws_nothing_and_says_nothing() -> None:
    nothing = replace(AGEING, buckets=tuple((bucket, D(0)) for bucket, _ in AGEING.buckets), disputed=D(0))
    assert picture_of_ageing(nothing, EN) is None
    assert "Receivables by age" not in render_digest(replace(a_digest(), ageing=(nothing,))).text
    assert picture_of_ageing(replace(nothing, disputed=D(5)), EN) is not None


@pytest.mark.parametrize("language", [EN, ZH], ids=["en", "zh"])
def test_a_chart_is_sharp_small_and_named_by_its_content(language: Language) -> None:
    days = [MARCH - timedelta(days=31 * n) for n in range(MAX_DAYS)][::-1]
    full = a_section(*(a_mix(day, 40 + n, 50 - n, 11, 90, n, tiers=tuple("ABCDE")) for n, day in enumerate(days)))
    pictures = [picture_of_mixes(full, language), picture_of_migration(MIGRATION, language)]
    pictures.append(picture_of_ageing(AGEING, language))
    names = set()
    for picture in pictures:
        assert picture is not None
        assert size_of(picture.content) == (2 * picture.width, 2 * picture.height)
        assert len(picture.content) < 15_000
        assert re.fullmatch(r"[a-z-]+-[0-9a-f]{20}@charts", picture.name)
        names.add(picture.name)
    assert len(names) == 3


def test_a_file_tells_nothing_of_when_and_by_what_it_was_drawn() -> None:
    picture = picture_of_ageing(AGEING, EN)
    assert picture is not None
    assert Image.open(BytesIO(picture.content)).info == {}


def draw_all() -> list[bytes]:
    pictures = [picture_of_mixes(a_section(*MIXES), ZH), picture_of_migration(MIGRATION, ZH)]
    pictures.append(picture_of_ageing(AGEING, ZH))
    return [picture.content for picture in pictures if picture is not None]


def test_the_same_data_draw_the_same_bytes_and_other_data_others() -> None:
    first = draw_all()
    for draw in (charts._draw_mixes, charts._draw_migration, charts._draw_ageing):
        draw.cache_clear()
    assert draw_all() == first
    turned = replace(MIGRATION, customers=dict(reversed(MOVES.items())))
    picture, other = (
        picture_of_migration(turned, ZH),
        picture_of_migration(replace(turned, customers=MOVES | {("A", "B"): 5}), ZH),
    )
    assert picture is not None
    assert other is not None
    assert picture.content == first[1]
    assert other.content != first[1]


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib, test_reports_charts as t; "
        "print(*(hashlib.sha256(content).hexdigest() for content in t.draw_all()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, text=True, check=True,
                         env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin", "PYTHONHASHSEED": "7",
                              "HOME": "/nonexistent"})  # fmt: skip
    assert ran.stdout.split() == [hashlib.sha256(content).hexdigest() for content in draw_all()]


def test_a_chart_that_is_the_same_for_everybody_is_drawn_once() -> None:
    charts._draw_migration.cache_clear()
    for number in range(20):
        picture_of_migration(replace(MIGRATION, policy_id=f"p{number}", customers=dict(MOVES)), EN)
    assert charts._draw_migration.cache_info().misses == 1


def test_nothing_loads_matplotlib_before_a_chart_is_drawn() -> None:
    code = (
        "import sys; from datetime import date; from dataclasses import replace; "
        "from test_reports_render import a_full_digest, render_digest; from reports.digest import TierMix; "
        "digest = a_full_digest(); mixes = tuple(TierMix(date(2026, 3, day), (('A', day),)) for day in (1, 2)); "
        "drawn = replace(digest, sections=(replace(digest.sections[0], mixes=mixes),)); "
        "render_digest(digest); render_digest(drawn, has_charts=False); print('matplotlib' in sys.modules); "
        "render_digest(drawn); print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, text=True, check=True,
                         env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin"})  # fmt: skip
    assert ran.stdout.split() == ["False", "True", "False"]


def everything_to_draw(locale: str = "en") -> Digest:
    digest = a_full_digest(locale=locale)
    migration = replace(MIGRATION, policy_id=digest.sections[0].policy_id)
    return replace(
        digest,
        sections=(replace(digest.sections[0], mixes=MIXES),),
        migrations=(migration,),
        ageing=(AGEING,),
    )


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_page_shows_every_chart_by_its_name_and_its_twin_says_it(locale: str) -> None:
    rendered = render_digest(everything_to_draw(locale))
    assert len(rendered.pictures) == 3
    images = [
        attributes for tag, attributes in Html(rendered.html.replace("<img", "<br")).elements if "src" in attributes
    ]
    assert [image["src"] for image in images] == [f"cid:{picture.name}" for picture in rendered.pictures]
    for image, picture in zip(images, rendered.pictures, strict=True):
        assert image["alt"] == picture.text
        assert picture.text in rendered.text


def test_without_charts_nothing_is_drawn_and_the_sums_are_still_said() -> None:
    rendered = render_digest(everything_to_draw(), has_charts=False)
    assert rendered.pictures == ()
    assert "<img" not in rendered.html
    for said in (charts.moved_in_words(MIGRATION, EN), "Overdue: CN¥400 (40.0%)"):
        assert said in rendered.text
        assert said in rendered.html


# ---- in the mail


def a_message(rendered: RenderedDigest, **changes: str) -> EmailMessage:
    return build_message(
        rendered,
        sender="tiering@corp.example",
        recipient="wang.fang@corp.example",
        recipient_name="Wang Fang",
        run_note="r",
        date=datetime(2026, 4, 1, tzinfo=UTC),
        **{"message_id": message_id("r", domain="corp.example"), **changes},
    )


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_pictures_stand_beside_the_page_that_shows_them(locale: str) -> None:
    rendered = render_digest(everything_to_draw(locale))
    raw = bytes(a_message(rendered))
    assert raw == bytes(a_message(render_digest(everything_to_draw(locale))))
    read = message_from_bytes(raw, policy=policy.default)
    assert read.get_content_type() == "multipart/mixed"
    bodies, workbook = read.iter_parts()
    assert bodies.get_content_type() == "multipart/alternative"
    plain, page = bodies.iter_parts()
    assert (plain.get_content_type(), page.get_content_type()) == ("text/plain", "multipart/related")
    html, *pictures = page.iter_parts()
    assert html.get_content().replace("\r\n", "\n").rstrip() == rendered.html.rstrip()
    assert [part.get_content() for part in pictures] == [picture.content for picture in rendered.pictures]
    assert [part["Content-ID"] for part in pictures] == [f"<{picture.name}>" for picture in rendered.pictures]
    assert {part.get_content_disposition() for part in pictures} == {"inline"}
    assert list(read.iter_attachments()) == [workbook]
    assert re.findall(r'src="cid:([^"]+)"', html.get_content()) == [picture.name for picture in rendered.pictures]
    assert len({part.get_boundary() for part in (read, bodies, page)}) == 3
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    assert raw.isascii()
    assert not [part.defects for part in read.walk() if part.defects]


def test_two_blocks_that_show_the_same_chart_share_one_part() -> None:
    digest = everything_to_draw()
    sections = (*digest.sections, replace(digest.sections[0], policy_id="another"))
    rendered = render_digest(replace(digest, sections=sections))
    assert len(rendered.pictures) == 4
    read = message_from_bytes(bytes(a_message(rendered)), policy=policy.default)
    parts = [part["Content-ID"] for part in read.walk() if part.get_content_type() == "image/png"]
    assert len(parts) == len(set(parts)) == 3


@pytest.mark.parametrize(
    "name", ["", "x", "a b@charts", "a@charts\r\nBcc: x@evil.example", "=?x?=@charts", "../a@charts"]
)
def test_an_unsafe_name_of_a_picture_stops_the_message(name: str) -> None:
    rendered = render_digest(everything_to_draw())
    bad = replace(rendered, pictures=(replace(rendered.pictures[0], name=name),))
    with pytest.raises(UnsafeHeaderError, match="the name of a picture"):
        a_message(bad)


def test_no_tier_stands_in_a_header_of_a_picture() -> None:
    mixes = tuple(a_mix(mix.as_of, 1, tiers=("Zq7secret",)) for mix in MIXES)
    digest = everything_to_draw()
    rendered = render_digest(replace(digest, sections=(replace(digest.sections[0], mixes=mixes),)))
    parts = [part.items() for part in message_from_bytes(bytes(a_message(rendered))).walk()]
    assert "Zq7" in rendered.html
    assert "Zq7" not in str(parts)


def test_a_page_in_a_folder_holds_its_pictures(tmp_path: Path) -> None:
    rendered = render_digest(everything_to_draw())
    _eml, page, _book = write_message_files(tmp_path, "m", bytes(a_message(rendered)))
    shown = page.read_text(encoding="utf-8")
    assert "cid:" not in shown
    contents = [base64.b64decode(found) for found in re.findall(r'src="data:image/png;base64,([^"]+)"', shown)]
    assert contents == [picture.content for picture in rendered.pictures]


def test_an_erased_name_leaves_the_mail_and_its_page_and_the_pictures_stay(tmp_path: Path) -> None:
    digest = everything_to_draw()
    named = replace(digest.sections[0], movers=(a_mover(customer_id="C-7", customer_name="Silver Birch"),))
    rendered = render_digest(replace(digest, sections=(named, *digest.sections[1:])))
    write_message_files(tmp_path, "m", bytes(a_message(rendered)))
    before = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert Redaction("C-7", ["Silver Birch"], "(erased)").folder(tmp_path) == 3
    after = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert after == before.replace("Silver Birch", "(erased)")
    read = message_from_bytes((tmp_path / "m.eml").read_bytes(), policy=policy.default)
    html, text = read.get_body(("html",)), read.get_body(("plain",))
    assert html is not None
    assert text is not None
    for said in (html.get_content(), text.get_content()):
        assert "Silver Birch" not in said
        assert "(erased)" in said
    pictures = [part for part in read.walk() if part.get_content_type() == "image/png"]
    assert [part.get_content() for part in pictures] == [picture.content for picture in rendered.pictures]
    assert [part["Content-ID"] for part in pictures] == [f"<{picture.name}>" for picture in rendered.pictures]
    assert write_message_files(tmp_path, "again", (tmp_path / "m.eml").read_bytes())


# ---- fonts and colours


CHINESE = (a_mix(FEBRUARY, 3, 9, tiers=("重点客户", "一般客户")), a_mix(MARCH, 5, 8, tiers=("重点客户", "一般客户")))


@pytest.mark.skipif(
    len(installed_families()) == 1, reason="no font with Chinese is installed; tools/chromium.sh does it"
)
def test_chinese_tiers_stand_in_the_chart_where_a_font_has_them() -> None:
    picture = picture_of_mixes(a_section(*CHINESE), ZH)
    assert picture is not None
    assert picture.key == ""


@pytest.mark.usefixtures("no_chinese_font")
@pytest.mark.filterwarnings("error:Glyph")
def test_without_a_chinese_font_tiers_are_numbers_that_are_explained_and_no_box_is_drawn() -> None:
    assert installed_families() == ("DejaVu Sans",)
    assert not can_draw("重点客户", installed_families())
    picture = picture_of_mixes(a_section(*CHINESE), ZH)
    assert picture is not None
    assert picture.key == "1 = 重点客户；2 = 一般客户"
    moves = {("重点客户", "一般客户"): 2, ("一般客户", "一般客户"): 8}
    matrix = picture_of_migration(replace(MIGRATION, tiers=("重点客户", "一般客户"), customers=moves), ZH)
    assert matrix is not None
    assert matrix.key == picture.key
    ageing = picture_of_ageing(AGEING, ZH)
    assert ageing is not None
    assert ageing.key.startswith("1 = 未到期；2 = 逾期 1–30 天；")
    page = render_digest(replace(a_digest(locale="zh"), sections=(a_section(*CHINESE),)))
    assert picture.key in page.html


@pytest.mark.usefixtures("no_chinese_font")
@pytest.mark.filterwarnings("error:Glyph")
def test_no_box_is_drawn_for_a_tier_of_any_script() -> None:
    for tier in ("ก", "😀", "\U000e0041x", "$x^2$", "a_b%c&d", "ｸﾗｽ", "𒀀"):
        mixes = (a_mix(FEBRUARY, 3, tiers=(tier,)), a_mix(MARCH, 5, tiers=(tier,)))
        assert picture_of_mixes(a_section(*mixes), EN) is not None


def test_tiers_too_long_for_a_chart_are_numbers() -> None:
    tiers = ("A" * 30, "B")
    picture = picture_of_mixes(a_section(a_mix(FEBRUARY, 1, 2, tiers=tiers), a_mix(MARCH, 1, 2, tiers=tiers)), EN)
    assert picture is not None
    assert picture.key == f"1 = {'A' * 23}…; 2 = B"


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_what_is_written_on_a_colour_stands_out(colour: tuple[int, int, int]) -> None:
    light, dark = sorted((luminance(ink_on(colour)), luminance(hex_of(colour))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_layers_and_bars_are_told_apart_in_grey() -> None:
    for start, end in ((charts._BEST, charts._WORST), (charts._FRESH, charts._OLD)):
        shades = [luminance(hex_of(drawing.between(start, end, place / 4))) for place in range(5)]
        assert shades in (sorted(shades), sorted(shades, reverse=True))
        assert all((max(pair) + 0.05) / (min(pair) + 0.05) > 1.25 for pair in zip(shades, shades[1:], strict=False))


def test_a_hostile_tier_stays_text() -> None:
    tier = "<script>\"'&"
    digest = everything_to_draw()
    mixes = tuple(a_mix(mix.as_of, 1, tiers=(tier,)) for mix in MIXES)
    rendered = render_digest(replace(digest, sections=(replace(digest.sections[0], mixes=mixes),)))
    tags = [tag for tag, _ in Html(rendered.html.replace("<img", "<br")).elements]
    plain = render_digest(digest).html.replace("<img", "<br")
    assert tags == [tag for tag, _ in Html(plain).elements]
    assert tier in rendered.text


def test_a_mover_is_in_both_bodies_whether_charts_are_drawn_or_not() -> None:
    for has_charts in (True, False):
        rendered = render_digest(a_digest(a_mover()), has_charts=has_charts)
        assert "Harbour Foods" in rendered.html
        assert "Harbour Foods" in rendered.text
