"""Strict YAML: what the author wrote is what is read, or the line says why not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sql.errors import TieringError
from transforms.policy_text import MAXIMUM_BYTES, MAXIMUM_DEPTH, PolicyText


def refusal(text: str) -> str:
    with pytest.raises(TieringError) as refused:
        PolicyText(text, "p.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-12", -12),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.55", Decimal("9007199254740993.55")),
        ("0.1", Decimal("0.1")),
        ("-0.50", Decimal("-0.50")),
        ("0.800000000000000001", Decimal("0.800000000000000001")),
        ("1.00", Decimal("1.00")),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("A", "A"),
        ("12 months", "12 months"),
        ("2026-01-31", "2026-01-31"),
        ("1.2.3", "1.2.3"),
        ("1,000", "1,000"),
        ("rate >= 0.80 and is_key", "rate >= 0.80 and is_key"),
        ("全额回款", "全额回款"),
        ("'012'", "012"),
        ('"1e3"', "1e3"),
        ("'yes'", "yes"),
        ("'true'", "true"),
        ("''", ""),
        ("|\n  12\n", "12\n"),
        (">-\n  7\n", "7"),
        ("[]", []),
        ("{}", {}),
        ("[1, 0.5, [x]]", [1, Decimal("0.5"), ["x"]]),
        ("{b: 1, c: {d: x}}", {"b": 1, "c": {"d": "x"}}),
    ],
)
def test_a_value_is_read_as_it_is_written(written: str, read: Any) -> None:
    value = PolicyText(f"key: {written}", "p.yaml").data["key"]
    assert value == read
    assert type(value) is type(read)


def test_the_scale_of_a_decimal_is_kept() -> None:
    assert str(PolicyText("a: 1.00", "p.yaml").data["a"]) == "1.00"


@pytest.mark.parametrize(
    "word",
    [
        "012", "-012", "00", "0o17", "0x1F", "0b11", "1_000", "1_0.5", "1__0", "1e3", "1E3", "1.5e-3", "-1e3",
        "+5", "+0.5", ".5", "-.5", "5.", ".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1:30", "-1:30:00",
    ],
)  # fmt: skip
def test_a_number_that_can_be_read_in_two_ways_is_refused_with_its_line(word: str) -> None:
    expected = f"p.yaml:3: {word} can be read in more than one way; write a plain number or quote it"
    assert refusal(f"a: 1\nb:\n  - {word}\n") == expected


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "Yes",
        "NO",
        "no",
        "on",
        "On",
        "OFF",
        "off",
        "y",
        "Y",
        "n",
        "N",
        "True",
        "TRUE",
        "False",
        "FALSE",
    ],
)
def test_a_word_that_is_a_boolean_elsewhere_is_refused_with_its_line(word: str) -> None:
    expected = f"p.yaml:2: {word} is read as a boolean elsewhere; write true or false, or quote it"
    assert refusal(f"a: 1\nb: {word}\n") == expected


@pytest.mark.parametrize("digits", [39, 5000, 100_000])
def test_a_number_too_long_to_be_meant_is_refused(digits: int) -> None:
    assert refusal(f"a: {'9' * digits}") == "p.yaml:1: a number has at most 38 digits"
    assert refusal(f"a: 0.{'9' * digits}") == "p.yaml:1: a number has at most 38 digits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "p.yaml:3: the key a stands here twice"),
        ("a: 1\n'a': 3\n", "p.yaml:2: the key a stands here twice"),
        ("x:\n  - {b: 1,\n     b: 2}\n", "p.yaml:3: the key b stands here twice"),
        ("a: &x 1\nb: *x\n", "p.yaml:1: anchors and aliases are not allowed; write it out"),
        ("a: 1\nb: &x {c: 1}\n", "p.yaml:2: anchors and aliases are not allowed; write it out"),
        ("a: 1\nb: &x [1]\n", "p.yaml:2: anchors and aliases are not allowed; write it out"),
        ("a: 1\nb:\n  <<: {c: 1}\n", "p.yaml:3: a key is a plain word (merge keys are not allowed)"),
        ("? [a, b]\n: 1\n", "p.yaml:1: a key is a plain word (merge keys are not allowed)"),
        ("? {a: b}\n: 1\n", "p.yaml:1: a key is a plain word (merge keys are not allowed)"),
        ("a: 1\nb: !x 5\n", "p.yaml:2: tags are not allowed"),
        ("a: 1\nb: ! 5\n", "p.yaml:2: tags are not allowed"),
        ("a: !!str 5\n", "p.yaml:1: tags are not allowed"),
        ("a: !!float 5\n", "p.yaml:1: tags are not allowed"),
        ("a: !!binary aGk=\n", "p.yaml:1: tags are not allowed"),
        ("a: !!set {x}\n", "p.yaml:1: tags are not allowed"),
        ("a: !!python/object/apply:os.system [id]\n", "p.yaml:1: tags are not allowed"),
        ("a: !!python/name:os.system\n", "p.yaml:1: tags are not allowed"),
        ("!x\na: 1\n", "p.yaml:1: tags are not allowed"),
        ("a: 1\n---\nb: 2\n", "p.yaml:3: a file is one policy; move what follows --- into a file of its own"),
        ("a: 1\n---\n", "p.yaml:3: a file is one policy; move what follows --- into a file of its own"),
        ("", "p.yaml:1: the file is empty; docs/policies.md shows a policy to begin with"),
        ("# only a comment\n", "p.yaml:1: the file is empty; docs/policies.md shows a policy to begin with"),
        ("a: [b，c]\n", "p.yaml:1: the character ， does not separate; write a comma, or quote the text"),
        ("a:\n- [b, c、d]\n", "p.yaml:2: the character 、 does not separate; write a comma, or quote the text"),
        ("just words", "p.yaml:1: a policy is one mapping of keys to values"),
        ("- a\n- b\n", "p.yaml:1: a policy is one mapping of keys to values"),
        ("a: *nobody\n", "p.yaml:1: anchors and aliases are not allowed; write it out"),
        ("%TAG ! x:\n---\na: !b 1\n", "p.yaml:3: tags are not allowed"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_with_its_line(text: str, message: str) -> None:
    assert refusal(text) == message


INDENTATION = "the indentation does not fit the lines above, or a value needs quotes"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: c: d\n", 2, "a colon too many, or the indentation does not fit; quote a text with a colon"),
        ("a: 1\n\tb: 2\n", 2, "a tab in the indentation; write spaces"),
        ("a: 1\nb: }\n", 2, "did not find expected node content; correct the text"),
        ("a: 0\nb: [1, 2\nc: 3\n", 2, "what opens with [ is not closed, or lacks a comma"),
        ("a: 0\nb: {c: 1\nd: 3\n", 2, "what opens with { is not closed, or lacks a comma"),
        ("a: 0\nb: 'open\nc: 3\n", 2, "a quote is not closed"),
        ("a:\n  b: 1\n c: 2\n", 3, INDENTATION),
        ("a:\n  - b\n c: 2\n", 3, INDENTATION),
        ("a: 0\nb 1\nc: 3\n", 3, "a key has no colon and space behind it"),
        ("a: @b\n", 1, "a text that begins with this character needs quotes"),
        ("a: 0\n%b: 1\n", 2, "a text that begins with this character needs quotes"),
        ("a: 0\nb：1\nc: 3\n", 2, "the character ： is not YAML's own; write a colon and a space, or quote the text"),
        ("a: ｛b: 1｝\n", 1, "the character ｛ is not YAML's own; write {, or quote the text"),
        ("a: {b: 1，c: 2}\n", 1, "the character ， is not YAML's own; write a comma, or quote the text"),
        ("a:\n\u3000b: 1\nc: 2\n", 2, "the character U+3000 is not YAML's own; write a plain space, or quote the text"),
        ("a:\n\xa0b: 1\n  c: 2\n", 2, "the character U+00A0 is not YAML's own; write a plain space, or quote the text"),
        ("“a”: 1\n", 1, "the character “ is not YAML's own; write \", or quote the text"),
        ("%YAML 9.9\n---\na: 1\n", 1, "found incompatible YAML document; correct the text"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_refused_in_plain_words_on_its_line(text: str, line: int, message: str) -> None:
    assert refusal(text) == f"p.yaml:{line}: {message}"


@pytest.mark.parametrize(("text", "sign"), [("a: 1\nb: \x07\n", "U+0007"), ("a: 1\nb: '\ud800'\n", "U+D800")])
def test_what_is_no_text_is_refused_with_its_line(text: str, sign: str) -> None:
    assert refusal(text) == f"p.yaml:2: the character {sign} has no place in a text; remove it"


def test_chinese_signs_are_the_author_s_own_within_a_text() -> None:
    text = "a: {zh: 大客户，重点：优先}\nb: “重点”客户\nc: ['甲，乙', 丙]\n"
    data = PolicyText(text, "p.yaml").data
    assert data == {"a": {"zh": "大客户，重点：优先"}, "b": "“重点”客户", "c": ["甲，乙", "丙"]}


def test_a_chain_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert refusal("\n".join(lines)) == "p.yaml:1: anchors and aliases are not allowed; write it out"


def test_a_text_that_is_too_large_is_refused() -> None:
    line = "# " + "x" * 97 + "\n"
    fits = "a: 1\n" + line * ((MAXIMUM_BYTES - 5) // len(line))
    assert PolicyText(fits, "p.yaml").data == {"a": 1}
    assert refusal(fits + line) == f"p.yaml: larger than {MAXIMUM_BYTES} bytes; a policy is a page, not a book"
    assert "larger than" in refusal("a: " + "率" * (MAXIMUM_BYTES // 3))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_a_text_that_is_nested_too_deeply_is_refused(opening: str, closing: str) -> None:
    deepest = MAXIMUM_DEPTH - 1
    PolicyText(f"a: {opening * deepest}1{closing * deepest}", "p.yaml")
    for depth in (deepest + 1, 300):
        assert refusal(f"a: {opening * depth}1{closing * depth}") == "p.yaml:1: nested too deeply"
    most = MAXIMUM_BYTES // len(opening + closing) - 9
    assert refusal(f"a: {opening * most}1{closing * most}") == "p.yaml:1: nested too deeply"


def test_a_byte_order_mark_and_document_marks_do_no_harm() -> None:
    assert PolicyText("\ufeffa: 1\n", "p.yaml").data == {"a": 1}
    assert PolicyText("---\na: 1\n...\n", "p.yaml").data == {"a": 1}
    assert PolicyText("a: 1\r\nb: 2\r\n", "p.yaml").data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2), (("a",), 2), (("b",), 3), (("b", "c"), 4), (("b", "c", 0), 5), (("b", "c", 1), 6),
        (("b", "c", 1, "e"), 7), (("b", "c", 1, "nothing"), 6), (("b", "c", 9), 4), (("nothing", "x"), 2),
    ],
)  # fmt: skip
def test_every_key_has_its_line_and_an_unknown_one_that_of_the_nearest(path: tuple[str | int, ...], line: int) -> None:
    text = PolicyText("# first\na: 1\nb:\n  c:\n    - x\n    - d: 1\n      e: 2\n", "p.yaml")
    assert text.line_of(path) == line


def test_the_shipped_policies_hold_no_float() -> None:
    def walk(value: Any) -> None:
        assert not isinstance(value, float)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            walk(inner)

    for path in (Path(__file__).parents[1] / "policies").glob("*.yaml"):
        walk(PolicyText(path.read_text(encoding="utf-8"), path.name).data)


@settings(max_examples=200, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_any_decimal_is_read_exactly(number: Decimal) -> None:
    assert PolicyText(f"a: {number:f}", "p.yaml").data["a"] == number


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("ab:- \n[]{},'\"#&*!|>%@`?~.0129_e", max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        data = PolicyText(text, "p.yaml").data
    except TieringError as error:
        said = str(error)
    else:
        assert isinstance(data, dict)
        return
    assert said.startswith("p.yaml")
    assert "\n" not in said
