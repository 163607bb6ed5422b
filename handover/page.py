"""The page on which a receiver reads an opened dossier: one Dutch HTML file that needs nothing but a browser.

Every value came from another school and is escaped. There is no script, nothing is loaded, and a document is only ever
linked, never shown inside the page (bad cases D10, D11, F2). What wasn't opened isn't mentioned.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Final
from urllib.parse import quote

from consent.terms import AMSTERDAM
from crypto.encoding import JSON
from handover.labels import WRAPPERS, label, reading

TITLES: Final[dict[str, str]] = {
    "okr": "Onderwijskundig rapport",
    "opp": "Ontwikkelingsperspectief",
    "lvs": "Leerlingvolgsysteem en resultaten",
    "attendance": "Verzuim",
    "support": "Ondersteuning",
    "reports": "Verslagen en bijlagen",
    "views": "Zienswijze",
    "handover_notes": "Overdrachtsgesprek en afspraken",
}
FLAGS: Final[dict[str, str]] = {
    "macros": "bevat macro’s",
    "active-pdf": "PDF met actieve inhoud",
    "embedded-files": "bevat andere bestanden",
    "ole-object": "bevat ingesloten objecten",
    "external-link": "verwijst naar buiten",
    "markup": "webpagina",
    "encrypted": "versleuteld met een wachtwoord",
    "archive": "archief met bestanden",
    "nested-archive": "archief in een archief",
    "oversized": "te groot om helemaal te bekijken",
    "damaged": "beschadigd",
    "polyglot": "kan ook als een ander soort bestand worden gelezen",
    "name-disagrees": "de naam past niet bij de inhoud",
}
MONTHS: Final = (
    *("januari", "februari", "maart", "april", "mei", "juni"),
    *("juli", "augustus", "september", "oktober", "november", "december"),
)

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8a94a3;--soft:#f3f5f8;--ink:#16202e;--quiet:#4a5566;--link:#0b5a8a}
@media(prefers-color-scheme:dark){:root{--line:#6a7484;--soft:#1d2530;--ink:#e8ecf2;--quiet:#b3bdca;--link:#8cc8f0}
body{background:#11161d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;font:1rem/1.55 system-ui,sans-serif;color:var(--ink)}
body{overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.3rem;margin:2rem 0 .5rem;border-bottom:2px solid var(--line)}
a{color:var(--link)}nav ul,ul.documents{list-style:none;padding:0}nav li{display:inline-block;margin:0 1rem .5rem 0}
h3,h4,h5,h6{font-size:1.05rem;margin:.9rem 0 .25rem}
dl{margin:0;display:grid;grid-template-columns:minmax(9rem,15rem) 1fr;gap:.2rem 1rem}
dt{color:var(--quiet)}dd{margin:0;white-space:pre-wrap}
.group .group,.item{border-left:3px solid var(--line);padding-left:.75rem;margin:.5rem 0}
.facts,ul.documents li{background:var(--soft);padding:.75rem;border-radius:.4rem}ul.documents li+li{margin-top:.5rem}
.warn{font-weight:600}.warn::before{content:"\\26A0\\FE0E  "}
@media(max-width:36rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
@media print{body{max-width:none}nav{display:none}h2{break-after:avoid}}
"""
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Document:
    """A document beside the page: `file` is its place in the folder, the rest is told by its content."""

    section: str
    name: str
    file: str
    media_type: str
    size: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page's top says: who sent it, and until when it counts."""

    sender: str | None
    made_at: datetime
    expires_at: datetime


def render(facts: Facts, sections: Mapping[str, JSON], documents: Sequence[Document]) -> str:
    """Write the page. `sections` holds only what was opened, in the order in which it is to be read."""
    return "".join(_page(facts, sections, documents))


def _page(facts: Facts, sections: Mapping[str, JSON], documents: Sequence[Document]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="nl">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n<title>Overdrachtsdossier</title>\n'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Overdrachtsdossier</h1>\n"
    yield from _facts(facts)
    yield '<nav aria-label="Onderdelen"><ul>'
    yield from (f'<li><a href="#{escape(name)}">{_title(name)}</a></li>' for name in sections)
    yield "</ul></nav>\n"
    for name, content in sections.items():
        yield from _section(name, content, [document for document in documents if document.section == name])
    yield "</main>\n</body>\n</html>\n"


def _facts(facts: Facts) -> Iterator[str]:
    rows = {
        "Van school": _text(facts.sender or "sleutel zonder school: de vingerafdruk is de enige zekerheid"),
        "Verzegeld op": _moment(facts.made_at),
        "Op te halen tot": _moment(facts.expires_at),
    }
    yield '<div class="facts">'
    yield from _rows(rows)
    yield "</div>\n"


def _section(name: str, content: JSON, documents: Sequence[Document]) -> Iterator[str]:
    yield f'<section id="{escape(name)}" aria-labelledby="{escape(name)}-title">\n'
    yield f'<h2 id="{escape(name)}-title">{_title(name)}</h2>\n'
    if content in (None, {}, []) and not documents:
        yield "<p>Dit onderdeel is leeg.</p>\n"
    yield from _group(content, 3)
    if documents:
        yield '<h3>Documenten</h3>\n<ul class="documents">'
        yield from map(_document, documents)
        yield "</ul>\n"
    yield "</section>\n"


def _document(document: Document) -> str:
    flags = "".join(f'<br><span class="warn">{escape(FLAGS.get(flag, flag))}</span>' for flag in document.flags)
    return (
        f'<li><a href="{escape(quote(document.file))}" download rel="noopener noreferrer">{_text(document.name)}</a>'
        f"<br>{escape(document.media_type)}, {_size(document.size)}{flags}</li>"
    )


def _group(value: JSON, level: int) -> Iterator[str]:
    """Show one group: first its plain facts as rows, then each group inside it under a heading of its own."""
    if isinstance(value, list):
        yield from _items(value, level)
        return
    inside = value if isinstance(value, dict) else {"": value}
    shown = {name: inner for name, inner in inside.items() if inner not in (None, "", [], {})}
    rows = {name: inner for name, inner in shown.items() if _is_plain(inner)}
    if rows:
        yield from _rows({label(name): _plain(name, inner) for name, inner in rows.items()})
    for name, inner in shown.items():
        if name not in rows:
            yield f'<div class="group"><h{level}>{_text(label(name))}</h{level}>\n'
            yield from _group(_unwrapped(name, inner), min(level + 1, 6))
            yield "</div>\n"


def _items(values: Sequence[JSON], level: int) -> Iterator[str]:
    for value in values:
        yield '<div class="item">'
        yield from _group(value, level)
        yield "</div>\n"


def _unwrapped(name: str, value: JSON) -> JSON:
    """Take the list out of an element that only holds one."""
    if name in WRAPPERS and isinstance(value, dict) and len(value) == 1:
        return next(iter(value.values()))
    return value


def _is_plain(value: JSON) -> bool:
    return all(not isinstance(one, dict | list) for one in (value if isinstance(value, list) else [value]))


def _plain(name: str, value: JSON) -> str:
    values = value if isinstance(value, list) else [value]
    texts = ["ja" if one is True else "nee" if one is False else reading(name, str(one)) for one in values]
    return ", ".join(_text(text) for text in texts)


def _rows(rows: Mapping[str, str]) -> Iterator[str]:
    """Show labelled facts; the values are escaped already."""
    yield "<dl>"
    yield from (f"<dt>{_text(name)}</dt><dd>{shown}</dd>" for name, shown in rows.items())
    yield "</dl>\n"


def _text(text: str) -> str:
    """Escape a value; a control sign or one that turns the writing direction is shown as a box (bad case D8)."""
    if match := _DATE.fullmatch(text):
        text = _day(match)
    return escape("".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text))


def _day(match: re.Match[str]) -> str:
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return match[0]
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _moment(moment: datetime) -> str:
    local = moment.astimezone(AMSTERDAM)
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}, {local:%H:%M} uur"


def _title(name: str) -> str:
    return escape(TITLES.get(name, name))


def _size(size: int) -> str:
    for unit, step in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= step:
            return f"{size / step:.1f} {unit}".replace(".", ",")
    return f"{size} bytes"
