"""A section's index, its first item: a JSON value, and what the sender says of each document.

README.md, "The sealed bundle", is the specification.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from crypto.bundle import INDEX_LIMIT
from crypto.encoding import JSON, Printable, b64, canon, integer, parse, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.manifest import HASH_SIZE

INDEX_DEPTH = 64
"""The most levels of an index, the two above its content among them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What an index says of a document."""

    name: str
    media_type: str
    size: int
    sha256: bytes


def print_index(content: Printable, documents: Iterable[Listed]) -> bytes:
    """Print an index as canonical JSON; raises EncodingRefused for what has no such form.

    What this prints may still be too deep or too long for `parse_index`: who seals it looks first.
    """
    listed: list[Printable] = [
        {"name": each.name, "sha256": b64(each.sha256), "size": each.size, "type": each.media_type}
        for each in documents
    ]
    return canon({"content": content, "documents": listed})


def parse_index(printed: bytes) -> tuple[JSON, tuple[Listed, ...]]:
    """Read an index: its content and its documents, in order; raises EncodingRefused."""
    value = record(parse(printed, limit=INDEX_LIMIT, depth=INDEX_DEPTH), "content", "documents")
    if not isinstance(value["documents"], list):
        raise EncodingRefused("documents are a list")
    return value["content"], tuple([_listed(each) for each in value["documents"]])


def _listed(data: JSON) -> Listed:
    value = record(data, "name", "type", "size", "sha256")
    digest = unb64(value["sha256"], HASH_SIZE)
    return Listed(text(value["name"]), text(value["type"]), integer(value["size"]), digest)
