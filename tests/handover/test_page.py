"""The page on which a receiver reads a dossier."""

import base64
import hashlib
import re
from datetime import UTC, datetime

import pytest

from consent.terms import Section
from crypto.encoding import JSON
from handover.dossier.attachments import Flag
from handover.page import FLAGS, TITLES, Document, Facts, render
from tests.handover.samples import EVIL

FACTS = Facts("99AB00", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 6, 27, 22, 30, tzinfo=UTC))


NESTED = (
    "<dl><dt>C</dt><dd>z</dd></dl>"
    '<div class="group"><h3>A</h3><div class="item"><dl><dt></dt><dd>x</dd></dl></div>'
    '<div class="item"><dl><dt>B</dt><dd>y</dd></dl></div></div>'
)


def shown(value: JSON, *documents: Document) -> str:
    """What stands between the headings, on one line."""
    page = render(FACTS, {"okr": value}, documents)
    return page.partition("</h2>\n")[2].partition("</section>")[0].replace("\n", "")


def test_sender_and_times_stand_on_top_in_dutch_time() -> None:
    page = render(FACTS, {}, ())
    assert "<dt>Van school</dt><dd>99AB00</dd>" in page
    assert "29 maart 2026, 01:30 uur" in page
    assert "28 juni 2026, 00:30 uur" in page
    assert "sleutel zonder school" in render(Facts(None, FACTS.made_at, FACTS.expires_at), {}, ())


@pytest.mark.parametrize(
    ("value", "html"),
    [
        (None, "<p>Dit onderdeel is leeg.</p>"),
        ({}, "<p>Dit onderdeel is leeg.</p>"),
        ({"a_b": "c"}, "<dl><dt>A b</dt><dd>c</dd></dl>"),
        ({"a": None, "b": "", "c": [], "d": {}}, ""),
        ({"a": True, "b": False, "c": 0}, "<dl><dt>A</dt><dd>ja</dd><dt>B</dt><dd>nee</dd><dt>C</dt><dd>0</dd></dl>"),
        ({"a": ["x", "y"]}, "<dl><dt>A</dt><dd>x, y</dd></dl>"),
        ({"geslacht": "1", "b": "false"}, "<dl><dt>Geslacht</dt><dd>vrouw (1)</dd><dt>B</dt><dd>nee</dd></dl>"),
        (
            {"a": ["x", {"b": "y"}], "c": "z"},
            NESTED,
        ),
        (
            {"adreslijst": {"adres": [{"straat": "Kade"}]}},
            '<div class="group"><h3>Adressen</h3><div class="item"><dl><dt>Straat</dt><dd>Kade</dd></dl></div></div>',
        ),
        ({"a": "2014-03-02"}, "<dl><dt>A</dt><dd>2 maart 2014</dd></dl>"),
        ({"a": "2014-02-30"}, "<dl><dt>A</dt><dd>2014-02-30</dd></dl>"),
        ({"a": "x\x1by\u200bz"}, "<dl><dt>A</dt><dd>x\ufffdy\ufffdz</dd></dl>"),
    ],
)
def test_every_kind_of_value_is_shown(value: JSON, html: str) -> None:
    assert shown(value) == html


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1,0 kB"), (999_999, "1000,0 kB"), (2_500_000, "2,5 MB")],
)
def test_a_document_is_a_link_with_type_size_and_flags(size: int, text: str) -> None:
    document = Document("okr", EVIL, "okr-1-a b&c.pdf", "application/pdf", size, ("active-pdf", "unheard-of"))
    html = shown({}, document)
    assert 'href="okr-1-a%20b%26c.pdf" download rel="noopener noreferrer"' in html
    assert f"application/pdf, {text}<br>" in html
    assert "PDF met actieve inhoud" in html
    assert "unheard-of" in html
    assert EVIL not in html
    assert "leeg" not in html


def test_nothing_that_a_dossier_says_becomes_markup() -> None:
    """F2: names of fields and of sections too."""
    page = render(FACTS, {EVIL: {EVIL: [EVIL, {"x": EVIL}]}}, [Document(EVIL, EVIL, EVIL, EVIL, 1, (EVIL,))])
    assert "<script" not in page
    assert not re.search(r"\son\w+=", page)


def test_the_policy_allows_exactly_the_pages_own_style() -> None:
    page = render(FACTS, {}, ())
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page
    assert "style=" not in page
    assert page.count("default-src 'none'") == 1


def test_every_section_and_every_flag_has_its_words() -> None:
    assert list(TITLES) == list(Section)
    assert set(FLAGS) == set(Flag)
