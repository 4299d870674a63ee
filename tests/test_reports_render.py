"""What a sales manager reads: the same facts in HTML and text, in both languages, whatever the names hold."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from hypothesis import given, settings
from hypothesis import strategies as st

import reports
from reports.digest import (
    Digest,
    Driver,
    Mover,
    Notice,
    PolicySection,
    QuarantineCount,
    TierCount,
    digest_is_quiet,
)
from reports.render import render_digest
from reports.text import clean_text
from reports.tier_page import MAX_LISTED
from reports.wording import CATALOGUES, Language, driver_in_words
from transforms.pace import Keep

FOLDER = Path(reports.__file__).parent
COLLECTION_RATE = {"en": "Collection rate", "zh": "回款率"}
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" \' x=\'',
    "cell": "</td></table><!--",
    "encoded word": "=?UTF-8?Q?ACME=0D=0AReply-To:_x@evil.example=0D=0A?=",
    "line breaks": "ACME\r\nBcc: x@evil.example\u2028y\u0085z",
    "control": "AC\x00ME\x07 \x1b[31mred\x7f\x9b",
    "bidi": "ACME \u202egnp.exe\u202c\u2066x\u2069",
    "template": "{{7*7}}{% for x in y %}{name}{0.__class__}%(x)s",
    "long": "W" * 10_000,
    "lone surrogate": "ACME \ud800",
}


def a_mover(**changes: object) -> Mover:
    collection_rate = Driver("collection_rate", COLLECTION_RATE, "ratio", Decimal("1.04"), Decimal("0.81"))
    mover = Mover("C-1", "Harbour Foods", "B", "D", "down", "measures", (collection_rate,), Decimal("1284500"))
    return replace(mover, **changes)  # type: ignore[arg-type]


def a_digest(*movers: Mover, **changes: object) -> Digest:
    tiers = (
        TierCount("D", 4, {"en": "Exit review", "zh": "退出评审"}, 9, 6),
        TierCount("A", 1, {"en": "Key accounts", "zh": "重点客户"}, 34, 36),
        TierCount("B", 2, {"en": "Growing"}, 52, None),
    )
    actions = {"D": {"en": "Cash on delivery.", "zh": "货到付款。"}, "A": {"en": "Visit every month."}}
    title = {"en": "Collection-rate classes", "zh": "回款率分级"}
    section = PolicySection("collection_classes", title, date(2026, 3, 31), tiers, movers, actions)
    digest = Digest("m1", "Wang Fang", "wang.fang@corp.example", "en", "CNY", (section,), ())
    return replace(digest, **changes)  # type: ignore[arg-type]


def a_full_digest(**changes: object) -> Digest:
    movers = (
        a_mover(),
        a_mover(customer_id="C-2", customer_name="Blue Lake", from_tier="B", to_tier="A", direction="up"),
        a_mover(customer_id="C-3", customer_name="Old Mill", to_tier=None, direction="left", value=None),
        a_mover(customer_id="C-4", customer_name="Fresh Start", from_tier=None, direction="new", drivers=()),
    )
    quarantined = (QuarantineCount("sales", "currency_known", 1200),)
    return a_digest(*movers, quarantined=quarantined, unassigned_customers=3, **changes)


class Html(HTMLParser):
    """The elements of a page with their attributes, and its text with the colours it is set in."""

    EMPTY = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str, str]] = []
        self.comments: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            pairs = (pair.split(":", 1) for pair in (dict(attrs).get("style") or "").split(";") if pair)
            self.open.append((tag, {name.strip(): value.strip() for name, value in pairs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if data.strip():
            styles = [style for _, style in self.open]
            ink = next((s["color"] for s in reversed(styles) if "color" in s), "")
            paper = next((s["background-color"] for s in reversed(styles) if "background-color" in s), "")
            self.texts.append((data.strip(), ink, paper))


ELEMENTS = frozenset(
    {"html", "head", "meta", "style", "title", "body", "div", "table", "tbody", "tr", "td", "th"}
    | {"h1", "h2", "h3", "p", "span", "small", "strong", "br"}
)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def messages_in_use() -> set[str]:
    methods = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
    found = extract_from_dir(FOLDER, methods, {}, {"_": None})
    return {str(message) for _, _, message, _, _ in found}


def fields(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name}


def test_the_english_subject_is_a_date_and_counts() -> None:
    assert render_digest(a_full_digest()).subject == "Customer tiers 2026-03-31: 1 up, 1 down"


def test_the_chinese_subject_is_a_date_and_counts() -> None:
    assert render_digest(a_full_digest(locale="zh")).subject == "客户分级 2026-03-31：升 1，降 1"


@pytest.mark.parametrize(("locale", "mark"), [("en", " (correction)"), ("zh", "（更正）")])
def test_a_correction_says_so_in_the_subject_and_in_both_bodies(locale: str, mark: str) -> None:
    rendered = render_digest(a_full_digest(locale=locale, is_correction=True))
    ordinary = render_digest(a_full_digest(locale=locale))
    assert rendered.subject == ordinary.subject + mark
    word = {"en": "Correction:", "zh": "更正："}[locale]
    assert word in rendered.html
    assert word in rendered.text
    assert word not in ordinary.html + ordinary.text


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_both_bodies_name_the_same_movers_with_tiers_reasons_and_money(locale: str) -> None:
    rendered = render_digest(a_full_digest(locale=locale))
    language = Language(locale)
    reason = {"en": "Collection rate fell from 104.0% to 81.0%", "zh": "回款率由 104.0% 降至 81.0%"}[locale]
    action = {"en": "What follows: Cash on delivery.", "zh": "后续措施：货到付款。"}[locale]
    label = {"en": "D · Exit review", "zh": "D · 退出评审"}[locale]
    shown = [text for text, _, _ in Html(rendered.html).texts]
    for said in (
        *("Harbour Foods", "Blue Lake", "Old Mill", "Fresh Start", "B → D", "B → A", reason, action, label),
        *(
            language("was {tier}", tier="B"),
            language.money(Decimal(1284500), "CNY"),
            language.date(date(2026, 3, 31)),
        ),
    ):
        assert any(said in text for text in shown), said
        assert said in rendered.text


def test_chinese_reads_chinese_throughout() -> None:
    text = render_digest(a_full_digest(locale="zh")).text
    for name in ("Wang Fang", "Harbour Foods", "Blue Lake", "Old Mill", "Fresh Start", "Growing"):
        text = text.replace(name, "")
    text = text.replace("currency_known", "").replace("Visit every month.", "")
    assert not re.findall(r"[A-Za-z]{3,}", text)


@pytest.mark.parametrize(("locale", "tag"), [("en", "en"), ("zh", "zh-CN"), ("zh_TW", "zh-CN"), ("fr", "en")])
def test_the_page_states_its_language_and_an_unknown_one_is_english(locale: str, tag: str) -> None:
    assert f'<html lang="{tag}">' in render_digest(a_full_digest(locale=locale)).html


def test_the_tier_mix_is_best_first_with_its_change() -> None:
    text = render_digest(a_digest()).text
    assert "* A · Key accounts | 34 | −2\n* B · Growing | 52 | –\n* D · Exit review | 9 | +3" in text


def test_quarantined_rows_and_customers_without_a_manager_are_counted() -> None:
    rendered = render_digest(a_full_digest())
    assert "* Sales | currency_known | 1,200" in rendered.text
    assert "Customers without an account manager: 3" in rendered.text
    assert "currency_known" in rendered.html


def test_an_empty_digest_renders_and_is_quiet() -> None:
    nothing = a_digest(sections=())
    assert digest_is_quiet(nothing)
    assert digest_is_quiet(a_digest())
    assert "Customer tiers" in render_digest(nothing).html
    assert "No customer moved." in render_digest(a_digest()).text
    assert render_digest(nothing).subject == "Customer tiers: 0 up, 0 down"


@pytest.mark.parametrize(
    "digest",
    [
        a_digest(a_mover()),
        a_digest(quarantined=(QuarantineCount("sales", "r", 1),)),
        a_digest(unassigned_customers=1),
    ],
)
def test_a_mover_a_quarantined_row_or_an_unassigned_customer_is_not_quiet(digest: Digest) -> None:
    assert not digest_is_quiet(digest)


def test_the_list_keeps_the_most_money_and_counts_the_rest() -> None:
    movers = [a_mover(customer_id=f"C-{n:03}", value=Decimal(n)) for n in range(MAX_LISTED + 7)]
    for body in (render_digest(a_digest(*movers)).text, render_digest(a_digest(*movers)).html):
        assert "Moved down: 57" in body
        assert "Not listed here: 7 more" in body
        assert body.count("B → D") == MAX_LISTED
        assert "C-056" in body
        assert "C-006" not in body


def test_the_order_of_movers_and_tiers_does_not_change_the_mail() -> None:
    digest = a_full_digest()
    section = digest.sections[0]
    turned = replace(section, movers=section.movers[::-1], tiers=section.tiers[::-1])
    assert render_digest(replace(digest, sections=(turned,))) == render_digest(digest)


def test_money_of_a_customer_that_moved_twice_counts_once() -> None:
    one = a_digest(a_mover()).sections[0]
    digest = a_digest(sections=(one, replace(one, policy_id="rfm")))
    assert "Value of all movers: CN¥1,284,500" in render_digest(digest).text


def test_a_total_of_customers_is_shown_only_when_it_is_known() -> None:
    one = a_digest().sections[0]
    assert "Customers with a tier: 95" in render_digest(a_digest()).text
    assert "Customers with a tier" not in render_digest(a_digest(sections=(one, one))).text
    assert "Customers with a tier: 97" in render_digest(a_digest(sections=(one, one), customers=97)).text


D = Decimal


@pytest.mark.parametrize(
    ("unit", "before", "after", "en", "zh"),
    [
        ("ratio", D("1.04"), D("0.81"), "X fell from 104.0% to 81.0%", "X由 104.0% 降至 81.0%"),
        ("ratio", D("0.9996"), D("1.0004"), "X rose from 99.96% to 100.04%", "X由 99.96% 升至 100.04%"),
        ("days", D(12), D(45), "X rose from 12 to 45 days", "X由 12 升至 45 天"),
        ("days", D(12), None, "X has no value any more; it was 12 days", "X不再有数值，原为 12 天"),
        ("days", D(2), D(1), "X fell from 2 to 1 day", "X由 2 降至 1 天"),
        ("rank", D(3), D(9), "X went from 3 to 9", "X由第 3 位变为第 9 位"),
        ("money", D("1234567.4"), D(99), "X fell from CN¥1,234,567 to CN¥99", "X由 ¥1,234,567 降至 ¥99"),
        ("money", D("5000.10"), D("5000.20"), "X rose from CN¥5,000.10 to CN¥5,000.20", None),
        ("points", D("59.5"), D(60), "X rose from 59.5 to 60", "X由 59.5 升至 60"),
        ("count", D(3), D(3), "X stays at 3", "X仍为 3"),
        ("count", None, D(3), "X is now 3; there was no value before", "X现为 3，此前没有数值"),
        ("count", D("NaN"), None, "X has no value", "X没有数值"),
        ("flag", D(0), D(1), "X changed from no to yes", "X由“否”变为“是”"),
        ("flag", "true", "false", "X changed from yes to no", "X由“是”变为“否”"),
        ("text", "retail", "export", "X changed from retail to export", "X由“retail”变为“export”"),
        ("ratio", "n/a", D("0.5"), "X changed from n/a to 50.0%", "X由“n/a”变为“50.0%”"),
    ],
)
def test_a_driver_is_said_in_words(
    unit: str, before: Decimal | str | None, after: Decimal | str | None, en: str, zh: str | None
) -> None:
    driver = Driver("x", {"en": "X"}, unit, before, after)  # type: ignore[arg-type]
    assert driver_in_words(driver, Language("en"), "CNY") == en
    if zh is not None:
        assert driver_in_words(driver, Language("zh"), "CNY") == zh


@settings(max_examples=300, deadline=None)
@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18),
    decimals=st.integers(0, 6),
    currency=st.sampled_from(["CNY", "USD", "CHF", "XYZ"]),
    locale=st.sampled_from(["en", "zh"]),
)
def test_a_figure_is_what_babel_makes_of_it(value: Decimal, decimals: int, currency: str, locale: str) -> None:
    language, zeros = Language(locale), "." * bool(decimals) + "0" * decimals
    with localcontext() as context:
        context.prec = 60
        assert language._figure("money", value, decimals, currency) == format_currency(
            value, currency, f"¤#,##0{zeros}", language.locale, currency_digits=False
        )
        assert language._figure("ratio", value, decimals, "") == format_percent(
            value, f"#,##0{zeros}%", language.locale
        )
        assert language._figure("number", value, decimals, "") == format_decimal(
            value, "#,##0" + zeros.replace("0", "#"), language.locale
        )
        assert language.count(int(value)) == format_decimal(int(value), "#,##0", language.locale)


def test_a_title_falls_back_to_english_and_then_to_the_key() -> None:
    assert Language("zh").title({"en": "Sales"}, "sales") == "Sales"
    assert Language("zh").title({}, "sales") == "sales"


@pytest.mark.parametrize("cause", ["policy", "override", "review", "correction", "movement"])
def test_a_move_that_measures_did_not_cause_says_its_cause(cause: str) -> None:
    moved, measured = (render_digest(a_digest(a_mover(cause=c, drivers=()))) for c in (cause, "measures"))
    assert len(moved.text.splitlines()) == len(measured.text.splitlines()) + 1


@pytest.mark.parametrize("field", ["direction", "cause"])
def test_a_mover_of_an_unknown_kind_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="sideways"):
        a_mover(**{field: "sideways"})


def a_notice(**changes: object) -> Notice:
    kept = (Keep("confirmation", count=3), Keep("grace", until=date(2026, 4, 15)), Keep("steps", count=1))
    title = {"en": "Collection-rate classes", "zh": "回款率分级"}
    notice = Notice(
        "collection_classes", title, "C-9", "Grey Heron", "A", "B", date(2026, 4, 30), date(2026, 2, 28), kept
    )
    return replace(notice, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            [
                "Will go down", "Grey Heron", "C-9", "A → B", "April 30, 2026", "Collection-rate classes",
                "Found lower since February 28, 2026", "Confirmation: 3 findings in a row are needed",
                "Grace: ends on April 15, 2026", "Steps: at most 1 down in one move",
            ],
        ),
        (
            "zh",
            [
                "即将降级的客户", "Grey Heron", "C-9", "A → B", "2026年4月30日", "回款率分级",
                "自2026年2月28日起评出更低等级", "连续确认：需连续3次评定确认",
                "宽限期：至2026年4月15日止", "降级幅度：每次最多降1级",
            ],
        ),
    ],
)  # fmt: skip
def test_a_tier_that_will_go_down_is_told_in_both_bodies_with_what_keeps_it(locale: str, said: list[str]) -> None:
    later = a_notice(customer_id="C-8", falls_on=date(2026, 5, 31))
    digest = a_digest(locale=locale, notices=(later, a_notice()))
    assert not digest_is_quiet(digest)
    rendered = render_digest(digest)
    shown = [text for text, _, _ in Html(rendered.html).texts]
    for part in said:
        assert part in shown
        assert part in rendered.text
    assert rendered.text.index("C-9") < rendered.text.index("C-8")
    assert said[0] not in render_digest(a_digest(locale=locale)).text


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_in_a_notice_stays_text(name: str) -> None:
    plain = Html(render_digest(a_digest(notices=(a_notice(),))).html)
    page = Html(render_digest(a_digest(notices=(a_notice(customer_name=name, customer_id=name, tier=name),))).html)
    assert not page.open
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert any(text == clean_text(name) for text, _, _ in page.texts)


@pytest.mark.parametrize(
    ("cause", "status", "says"),
    [
        ("override", "overridden", "Set by hand (override)"),
        ("override", "final", "An override ended"),
        ("movement", "held", "A movement rule of the policy took effect"),
        ("movement", "held", "Held here by a rule or for want of data; the rules found D"),
        ("review", "pending", "Waits for approval; the rules found D"),
    ],
)
def test_a_mover_says_what_it_waits_for_and_what_keeps_it(cause: str, status: str, says: str) -> None:
    digest = a_digest(a_mover(cause=cause, status=status, computed_tier="D", to_tier="C", drivers=()))
    assert says in render_digest(digest).text


def test_every_message_in_use_is_translated_and_every_translation_is_used() -> None:
    with (CATALOGUES / "zh" / "LC_MESSAGES" / "reports.po").open("rb") as file:
        catalogue = read_po(file, locale="zh_CN")
    translated = {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy}
    used = messages_in_use()
    assert len(used) > 50
    assert used - set(translated) == set()
    assert set(translated) - used == set()
    assert {m: fields(m) for m in translated} == {m: fields(text) for m, text in translated.items()}


@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_stays_text(name: str, locale: str) -> None:
    plain = Html(render_digest(a_full_digest(locale=locale)).html)
    movers = [a_mover(customer_name=name), a_mover(customer_id=name, from_tier=name, to_tier=name)]
    digest = replace(a_digest(*movers, locale=locale), manager_name=name)
    rendered = render_digest(digest)
    page = Html(rendered.html)
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert not page.open
    assert not page.comments
    assert {a for _, attributes in page.elements for a in attributes} <= {
        a for _, attributes in plain.elements for a in attributes
    }
    assert any(text == clean_text(name) for text, _, _ in page.texts)
    assert clean_text(name) in rendered.text
    for body in (rendered.html, rendered.text):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", body)
        body.encode("utf-8")
        assert "49" not in body
    assert rendered.subject == render_digest(a_digest(a_mover(), a_mover(), locale=locale)).subject


def test_a_name_of_10_000_characters_is_cut_to_80_with_an_ellipsis() -> None:
    assert clean_text("W" * 10_000) == "W" * 79 + "…"
    assert clean_text("W" * 80) == "W" * 80
    assert "W" * 80 not in render_digest(a_digest(a_mover(customer_name="W" * 10_000))).html


def test_the_text_twin_shows_names_as_they_are() -> None:
    text = render_digest(a_digest(a_mover(customer_name="Müller & Söhne <b> &amp; 'x'"))).text
    assert "* Müller & Söhne <b> &amp; 'x' (C-1)" in text


@settings(max_examples=60, deadline=None)
@given(name=st.text(st.characters(), max_size=60) | st.text("<>&\"'/=!-?{}%\r\n\u202e", max_size=30))
def test_no_name_becomes_a_tag_or_reaches_the_subject(name: str) -> None:
    quiet = render_digest(a_digest(a_mover()))
    rendered = render_digest(a_digest(a_mover(customer_name=name)))
    assert [tag for tag, _ in Html(rendered.html).elements] == [tag for tag, _ in Html(quiet.html).elements]
    assert rendered.subject == quiet.subject
    assert len(rendered.text.split("\n")) == len(quiet.text.split("\n"))


@pytest.fixture(params=["en", "zh"])
def page(request: pytest.FixtureRequest) -> str:
    return render_digest(a_full_digest(locale=request.param, is_correction=True)).html


def test_every_text_reaches_a_contrast_of_4_5(page: str) -> None:
    texts = [found for found in Html(page).texts if found[1]]
    assert len(texts) > 40
    for text, ink, paper in texts:
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ink, paper)


def test_no_element_is_wider_than_a_phone(page: str) -> None:
    for _, attributes in Html(page).elements:
        style = attributes.get("style") or ""
        widths = re.findall(r"(?<!max-)width:\s*(\d+)px", style)
        assert all(int(width) <= 340 for width in widths)
        assert (attributes.get("width") or "1%").endswith("%")
        assert "nowrap" not in style


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    assert {tag for tag, _ in Html(page).elements} <= ELEMENTS
    assert not re.search(r"https?:|url\(|javascript:|src=|href=", page)
    assert '<meta name="color-scheme" content="light dark">' in page


def test_what_an_inbox_previews_names_no_customer(page: str) -> None:
    shown = " ".join(text for text, _, _ in Html(page).texts[2:])  # what stands in the body, below styles and title
    assert re.match(r"1 up, 1 down, 1 new, 1 left|升 1，降 1，新增 1，退出 1", shown)
    assert min(shown.index(name) for name in ("Harbour Foods", "Blue Lake", "Old Mill")) > 140


@pytest.mark.parametrize("template", sorted(FOLDER.glob("templates/*.j2")), ids=lambda path: path.name)
def test_no_template_switches_escaping_off_or_leaves_an_attribute_unquoted(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe|autoescape|Markup", source)
    unquoted = re.sub(r'"[^"]*"', '""', source)
    assert not re.search(r"<[^>]*\s[\w-]+=[^\"]", unquoted)
