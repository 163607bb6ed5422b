"""What a school remembers of the bundles it packed: version ids, and which bundle a new one supersedes.

A family's inzage names version ids, so a section that didn't change must keep its id from one bundle of a transfer to
the next. The record stands beside the key file as `KEYFILE.versions`, mode 0600, canonical JSON:

    {"v": 1,
     "transfers": {TRANSFER: {"sent": BUNDLE or null, "sections": {SECTION: {"content": MAC, "version": ID}}}},
     "packed": {BUNDLE: {"transfer": TRANSFER, "sections": [those with something in them]}}}

`content` is an HMAC-SHA-256 under a key derived from the school's own, so that the record confirms no guess at what a
section said. Ids never pass from one transfer to another: they would tell which files are alike. `packed` holds a
bundle until it is sent; `send` compares it with what the transfer asked for, which nobody can see from outside.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crypto.encoding import JSON, Printable, b64, canon, parse, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.files import write_private
from crypto.keyfile import KeyFile
from handover.errors import HandoverError

VERSION_SIZE: Final = 16
LIMIT: Final = 64 * 1024 * 1024
_LABEL: Final = b"overdracht/v1/versions\0"


class VersionsRefused(HandoverError):
    """The record beside the key file isn't one, or knows nothing of this bundle."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The version ids for a bundle that is about to be packed, and the bundle that it supersedes."""

    versions: dict[str, bytes]
    supersedes: bytes | None


def path_beside(keyfile: Path) -> Path:
    """Give the record's place for a key file."""
    return keyfile.with_name(keyfile.name + ".versions")


def content_mac(key: KeyFile, section: str, content: Printable) -> bytes:
    """Recognise a section's content again without being able to tell it to anybody."""
    derived = hashlib.sha256(_LABEL + key.sign.seed).digest()
    return hmac.new(derived, section.encode("ascii") + b"\0" + canon(content), hashlib.sha256).digest()


def choose(keyfile: Path, transfer: str, macs: Mapping[str, bytes]) -> Chosen:
    """Keep the version id of each section whose content is what it was, and make new ones for the rest.

    Without a transfer there is nothing to compare with: all ids are new. Raises VersionsRefused.
    """
    known = _transfer(_read(keyfile), transfer) if transfer else _transfer({"transfers": {}}, "")
    sections = _object(known["sections"])
    versions = {section: _kept(sections.get(section), mac) for section, mac in macs.items()}
    sent = known["sent"]
    return Chosen(versions, None if sent is None else unb64(sent))


def remember_packed(
    keyfile: Path,
    transfer: str,
    bundle: bytes,
    macs: Mapping[str, bytes],
    versions: Mapping[str, bytes],
    filled: Sequence[str],
) -> None:
    """Note a bundle that was packed for a transfer. Call it before the bundle is there for anybody to send."""
    with _changed(keyfile) as value:
        known = _transfer(value, transfer)
        known["sections"] = {
            section: {"content": b64(mac), "version": b64(versions[section])} for section, mac in macs.items()
        }
        _object(value["transfers"])[transfer] = known
        _object(value["packed"])[b64(bundle)] = {"transfer": transfer, "sections": list(filled)}


def filled_sections(keyfile: Path, bundle: bytes) -> list[str]:
    """Tell which sections of a bundle hold something; raises VersionsRefused for a bundle packed elsewhere."""
    packed = _object(_read(keyfile)["packed"]).get(b64(bundle))
    if packed is None:
        raise VersionsRefused("this bundle wasn't packed with this key file for a transfer, or was sent already")
    sections = record(packed, "transfer", "sections")["sections"]
    if not isinstance(sections, list):
        raise VersionsRefused("the record beside the key file is damaged")
    return [text(section) for section in sections]


def remember_sent(keyfile: Path, transfer: str, bundle: bytes) -> None:
    """Note that the service took a bundle: the next one for this transfer supersedes it."""
    with _changed(keyfile) as value:
        known = _transfer(value, transfer)
        known["sent"] = b64(bundle)
        _object(value["transfers"])[transfer] = known
        _object(value["packed"]).pop(b64(bundle), None)


def _kept(known: JSON, mac: bytes) -> bytes:
    if known is not None:
        fields = record(known, "content", "version")
        if hmac.compare_digest(unb64(fields["content"]), mac):
            return unb64(fields["version"], VERSION_SIZE)
    return secrets.token_bytes(VERSION_SIZE)


def _read(keyfile: Path) -> dict[str, JSON]:
    try:
        data = path_beside(keyfile).read_bytes()
    except FileNotFoundError:
        return {"v": 1, "transfers": {}, "packed": {}}
    try:
        value = record(parse(data, limit=LIMIT), "v", "transfers", "packed")
    except EncodingRefused as problem:
        raise VersionsRefused(f"the record beside the key file is damaged: {problem}") from None
    if value["v"] != 1:
        raise VersionsRefused("the record beside the key file is of a version that this program doesn't know")
    return value


def _transfer(value: dict[str, JSON], transfer: str) -> dict[str, JSON]:
    known = _object(value["transfers"]).get(transfer)
    return {"sent": None, "sections": {}} if known is None else record(known, "sent", "sections")


def _object(value: JSON) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise VersionsRefused("the record beside the key file is damaged")
    return value


@contextmanager
def _changed(keyfile: Path) -> Iterator[dict[str, JSON]]:
    """Change the record while nobody else does: two packs at a time would each forget what the other noted."""
    lock = os.open(keyfile, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        value = _read(keyfile)
        yield value
        place = path_beside(keyfile)
        fresh = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
        write_private(fresh, canon(value))
        fresh.replace(place)
    finally:
        os.close(lock)
