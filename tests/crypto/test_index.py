"""The index of a section: one form, and the limits that hold for whoever seals and whoever opens."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.bundle import INDEX_LIMIT
from crypto.encoding import INTEGER_MAX, b64, canon
from crypto.errors import EncodingRefused
from crypto.index import INDEX_DEPTH, Listed, parse_index, print_index

LISTED = Listed("toets.pdf", "application/pdf", 3, bytes(range(32)))
SAID = {"name": "toets.pdf", "sha256": b64(bytes(range(32))), "size": 3, "type": "application/pdf"}

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contents = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)
listed = st.builds(Listed, words, words, st.integers(0, INTEGER_MAX), st.binary(min_size=32, max_size=32))


def test_an_index_is_printed_as_it_is_specified() -> None:
    assert print_index(None, ()) == b'{"content":null,"documents":[]}'
    assert print_index({"groep": 8}, [LISTED]) == (
        b'{"content":{"groep":8},"documents":'
        b'[{"name":"toets.pdf","sha256":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","size":3,"type":"application/pdf"}]}'
    )


@given(contents, st.lists(listed, max_size=3))
def test_what_was_printed_is_read_as_it_was(content: Any, documents: list[Listed]) -> None:
    printed = print_index(content, documents)
    assert parse_index(printed) == (content, tuple(documents))
    assert print_index(*parse_index(printed)) == printed


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "an object is expected"),
        ({"content": 1}, "content, documents"),
        ({"content": 1, "documents": [], "more": 1}, "content, documents"),
        ({"content": 1, "documents": {}}, "documents are a list"),
        ({"content": 1, "documents": None}, "documents are a list"),
        ({"content": 1, "documents": [SAID | {"more": 1}]}, "name, type, size, sha256"),
        ({"content": 1, "documents": [SAID | {"name": 1}]}, "a text"),
        ({"content": 1, "documents": [SAID | {"type": None}]}, "a text"),
        ({"content": 1, "documents": [SAID | {"size": -1}]}, "a whole number"),
        ({"content": 1, "documents": [SAID | {"size": True}]}, "a whole number"),
        ({"content": 1, "documents": [SAID | {"sha256": b64(bytes(31))}]}, "32 bytes"),
        ({"content": 1, "documents": [SAID | {"sha256": "x"}]}, "base64url"),
    ],
)
def test_an_index_of_another_form_is_refused(value: Any, why: str) -> None:
    with pytest.raises(EncodingRefused, match=why):
        parse_index(canon(value))


def test_an_index_is_64_levels_deep_at_most() -> None:
    def nested(levels: int) -> bytes:
        return b'{"content":' + b"[" * levels + b"]" * levels + b',"documents":[]}'

    assert INDEX_DEPTH == 64
    assert parse_index(nested(63))[1] == ()
    with pytest.raises(EncodingRefused, match="deeper than 64 levels"):
        parse_index(nested(64))


def test_an_index_is_as_long_as_its_limit_at_most() -> None:
    frame = len(print_index("", ()))
    content = "x" * (INDEX_LIMIT - frame)
    assert parse_index(print_index(content, ())) == (content, ())
    with pytest.raises(EncodingRefused, match="longer than 16777216 bytes"):
        parse_index(print_index(content + "x", ()))
