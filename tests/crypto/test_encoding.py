"""Encodings: what is printed, what is read, and that nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import (
    BOARD,
    INTEGER_MAX,
    SCHOOL,
    b64,
    canon,
    integer,
    json_load,
    lp,
    padme,
    parse,
    record,
    text,
    unb64,
)
from crypto.errors import CryptoError, EncodingRefused

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "encoding.json").read_text("utf-8"))
LIMIT = 1 << 20

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("case", VECTORS["canonical"], ids=lambda case: case["printed"][:20])
def test_a_value_has_the_one_canonical_form_of_the_vectors(case: dict[str, str]) -> None:
    printed = case["printed"].encode()
    assert canon(json_load(case["read"].encode(), limit=LIMIT)) == printed
    assert canon(parse(printed, limit=LIMIT)) == printed


@pytest.mark.parametrize("read", VECTORS["not_canonical"])
def test_another_way_to_write_a_value_is_refused_where_bytes_are_hashed(read: str) -> None:
    json_load(read.encode(), limit=LIMIT)
    with pytest.raises(EncodingRefused, match="not canonical"):
        parse(read.encode(), limit=LIMIT)


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["read"][:20])
def test_what_is_not_strict_json_is_refused_with_its_reason(case: dict[str, str]) -> None:
    with pytest.raises(EncodingRefused) as caught:
        json_load(case["read"].encode(), limit=LIMIT)
    assert str(caught.value) == case["why"]
    assert caught.value.reason == "ENCODING"
    assert isinstance(caught.value, CryptoError)


@given(values)
def test_printing_equals_the_reference_and_reads_back(value: object) -> None:
    printed = canon(value)  # type: ignore[arg-type]
    assert printed == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert canon(parse(printed, limit=LIMIT, depth=64)) == printed


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        -2.0,
        [1.0],
        [0, -10.0],
        {"a": 1.0},
        {"a": [True, -0.5]},
        1e-7,
        [1e-7],
        1e15,
        10**15,
        {"a": -(10**15)},
        {"a": INTEGER_MAX},
        "1.0",
        [":1.0,[-2.5", 3],
        [":1.0", 3.0],
        ["\\", ',1.0"'],
        {"\U0001f600": 1, "\ufb01": 2},
        {"\xe9": 1, "e": 2},
    ],
    ids=str,
)
def test_what_is_printed_fast_is_what_the_reference_prints(value: object) -> None:
    assert canon(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(st.binary(max_size=200) | st.text('[]{}",:\\0123eE.-truefalsn u', max_size=60).map(str.encode))
def test_no_bytes_make_the_reader_raise_anything_else(data: bytes) -> None:
    try:
        value = parse(data, limit=LIMIT)
    except EncodingRefused:
        return
    assert canon(value) == data


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(EncodingRefused, match="not UTF-8"):
        json_load(b'"\xff"', limit=LIMIT)


def test_the_limit_counts_bytes_exactly() -> None:
    assert parse(b'"abc"', limit=5) == "abc"
    with pytest.raises(EncodingRefused, match="longer than 4 bytes"):
        parse(b'"abc"', limit=4)


@pytest.mark.parametrize(
    ("data", "height"),
    [(b"[[[]]]", 3), (b'{"a":{"a":{}}}', 3), (b'[{"a":[{"a":1}]}]', 4), (b"[[],[[]],[]]", 3), (b"1", 0)],
)
def test_the_depth_is_counted_exactly(data: bytes, height: int) -> None:
    assert canon(parse(data, limit=LIMIT, depth=height)) == data
    if height:
        with pytest.raises(EncodingRefused, match=f"deeper than {height - 1} levels"):
            parse(data, limit=LIMIT, depth=height - 1)


def test_thirty_two_levels_are_read_when_nothing_else_is_said() -> None:
    parse(b"[" * 32 + b"]" * 32, limit=LIMIT)
    with pytest.raises(EncodingRefused, match="deeper than 32 levels"):
        parse(b"[" * 33 + b"]" * 33, limit=LIMIT)


def test_a_million_levels_are_refused_without_recursion() -> None:
    with pytest.raises(EncodingRefused, match="deeper"):
        json_load(b"[" * 1_000_000, limit=1 << 21)


def test_brackets_and_quotes_inside_strings_are_no_levels() -> None:
    data = canon(["[" * 100, '\\"{', {"{{{": '"]'}])
    assert canon(parse(data, limit=LIMIT, depth=2)) == data


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        INTEGER_MAX + 1,
        -INTEGER_MAX - 1,
        "\ud800",
        b"bytes",
        {"a": {1, 2}},
        pytest.param(object(), id="an object"),
        1 << 80,
    ],
    ids=str,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(EncodingRefused, match="no canonical form"):
        canon(value)  # type: ignore[arg-type]


def test_a_value_nested_beyond_reason_has_no_canonical_form() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(EncodingRefused, match="no canonical form"):
        canon(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", VECTORS["base64url"], ids=lambda case: case["printed"])
def test_base64url_prints_and_reads_as_in_the_vectors(case: dict[str, str]) -> None:
    data = bytes.fromhex(case["hex"])
    assert b64(data) == case["printed"]
    assert unb64(case["printed"], len(data)) == data


@pytest.mark.parametrize("value", VECTORS["not_base64url"], ids=repr)
def test_another_way_to_write_base64url_is_refused(value: object) -> None:
    with pytest.raises(EncodingRefused):
        unb64(value)  # type: ignore[arg-type]


@given(st.binary())
def test_base64url_reads_back(data: bytes) -> None:
    assert unb64(b64(data)) == data


def test_base64url_of_another_length_than_expected_is_refused() -> None:
    for length in (1, 3, 0):
        with pytest.raises(EncodingRefused, match=f"^{length} bytes are expected"):
            unb64("AAA", length)


@pytest.mark.parametrize("case", VECTORS["lp"], ids=lambda case: case["hex"])
def test_length_prefixes_are_those_of_the_vectors(case: dict[str, object]) -> None:
    values = [bytes.fromhex(value) for value in case["values"]]  # type: ignore[attr-defined]
    assert lp(*values).hex() == case["hex"]


def test_a_value_longer_than_its_length_prefix_is_refused() -> None:
    assert len(lp(bytes(65_535))) == 65_537
    with pytest.raises(EncodingRefused, match="too long"):
        lp(b"", bytes(65_536))


@pytest.mark.parametrize(("size", "expected"), VECTORS["padme"])
def test_padded_sizes_are_those_of_the_vectors(size: int, expected: int) -> None:
    assert padme(size) == expected


@given(st.integers(0, 1 << 45))
def test_a_padded_size_is_no_smaller_little_larger_and_stays(size: int) -> None:
    assert size <= padme(size) <= size * 1.12 + 1
    assert padme(padme(size)) == padme(size)


def test_a_record_has_exactly_its_members() -> None:
    assert record({"a": 1, "b": 2}, "b", "a") == {"a": 1, "b": 2}
    for value in ({"a": 1}, {"a": 1, "b": 2, "c": 3}, [], None, "ab"):
        with pytest.raises(EncodingRefused, match="expected"):
            record(value, "a", "b")


def test_a_text_matches_its_whole_pattern() -> None:
    assert text("99AB00", "[0-9A-Z]{6}") == "99AB00"
    assert text("regel\nregel") == "regel\nregel"
    for value in ("99AB001", "99AB00\n", "", None, 5):
        with pytest.raises(EncodingRefused, match="text"):
            text(value, "[0-9A-Z]{6}")


@pytest.mark.parametrize(
    ("code", "good", "bad"),
    [
        (SCHOOL, ["99AB00", "00ZZ99"], ["99AB0", "99AB000", "99ab00", "9AAB00", "99A000", "99AB0X", "", " 99AB00"]),
        (BOARD, ["ab", "b-7", "9" * 40], ["a", "a" * 41, "Ab", "a_b", "a b", ""]),
    ],
    ids=["school", "board"],
)
def test_a_code_has_its_form(code: str, good: list[str], bad: list[str]) -> None:
    assert [text(each, code) for each in good] == good
    for each in bad:
        with pytest.raises(EncodingRefused):
            text(each, code)


def test_an_integer_stays_within_its_bounds() -> None:
    assert [integer(3, 3, 5), integer(5, 3, 5), integer(0), integer(INTEGER_MAX)] == [3, 5, 0, INTEGER_MAX]
    for value in (2, 6, True, 3.0, "3", None):
        with pytest.raises(EncodingRefused, match="from 3 to 5"):
            integer(value, 3, 5)
    with pytest.raises(EncodingRefused):
        integer(-1)


def test_json_may_be_32_levels_deep_unless_said_otherwise() -> None:
    for read in (parse, json_load):
        assert read(b"[" * 32 + b"]" * 32, limit=LIMIT)
        with pytest.raises(EncodingRefused, match=r"^the JSON is unbalanced or nested deeper than 32 levels$"):
            read(b"[" * 33 + b"]" * 33, limit=LIMIT)


def test_a_record_is_told_which_members_it_should_have() -> None:
    with pytest.raises(EncodingRefused, match=r"^an object with exactly the members a, b is expected$"):
        record({"a": 1}, "a", "b")


def test_a_value_too_long_for_its_prefix_is_named_as_such() -> None:
    assert lp(bytes(0xFFFF))[:2] == b"\xff\xff"
    with pytest.raises(EncodingRefused, match=r"^a value is too long for its length prefix$"):
        lp(bytes(0x10000))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: canon(float("nan")), "the value has no canonical form"),
        (lambda: parse(b"[ ]", limit=9), "the JSON is not canonical"),
        (lambda: json_load(b"12345", limit=4), "the JSON is longer than 4 bytes"),
        (lambda: json_load(b'"\xff"', limit=9), "the JSON is not UTF-8"),
        (lambda: json_load(b"[[[", limit=9, depth=3), "not JSON at line 1, column 4"),
        (lambda: json_load(b"[" + b" " * 40, limit=99), "not JSON at line 1, column 42"),
        (lambda: json_load(b"[" + b"[]," * 40 + b"\xff]", limit=999), "the JSON is not UTF-8"),
        (lambda: json_load(b"[" + b"[]," * 40 + b"X]", limit=999), "not JSON at line 1, column 122"),
        (lambda: json_load(b"1" * 5000, limit=9999), "the JSON holds a number beyond 2^53 - 1"),
        (lambda: record([], "a"), "an object is expected"),
        (lambda: text(5), "a text of another form is expected"),
        (lambda: integer(6, 3, 5), "a whole number from 3 to 5 is expected"),
        (lambda: unb64(None), "base64url is expected"),
        (lambda: unb64("é"), "not base64url"),
        (lambda: unb64("AB"), "not base64url as it is printed here"),
        (lambda: unb64("AAA", 3), "3 bytes are expected"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_exactly_what_is_wrong(act: Callable[[], object], told: str) -> None:
    with pytest.raises(EncodingRefused) as caught:
        act()
    assert str(caught.value) == told


def test_the_largest_whole_number_is_read_however_it_is_written() -> None:
    assert json_load(b"[9007199254740991,9007199254740991.0]", limit=99) == [INTEGER_MAX, float(INTEGER_MAX)]
