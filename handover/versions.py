"""What a school remembers of the bundles it packed: version ids, what a new one supersedes, and from which files.

A family's inzage names version ids, so a section that didn't change must keep its id from one bundle of a transfer to
the next; and a bundle may have to be sealed again to another key (`handover.resealing`). The record stands beside the
key file as `KEYFILE.versions`, mode 0600, canonical JSON:

    {"v": 2,
     "transfers": {TRANSFER: {"at": DAY, "sent": BUNDLE or null, "source": SOURCE or null,
                              "sections": {SECTION: {"content": MAC, "version": ID}}}},
     "packed": {BUNDLE: {"transfer": TRANSFER, "sections": [those with something in them]}}}

    SOURCE = {"dossier": FILE, "attached": [[SECTION, FILE], ...], "sections": [names] or null for all}
    FILE   = {"path": the path's bytes, "sha256": HASH}

`content` is an HMAC-SHA-256 under a key derived from the school's own, so that the record confirms no guess at what a
section said. Ids never pass from one transfer to another: they would tell which files are alike. `packed` holds a
bundle until it is sent; `send` compares it with what the transfer asked for, which nobody can see from outside.
A transfer is forgotten when the service says that it is closed, or 400 days after it was last packed or heard of.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from crypto.encoding import JSON, Printable, b64, canon, parse, record, text, unb64
from crypto.errors import EncodingRefused
from crypto.files import replace_private
from crypto.keyfile import KeyFile
from handover.errors import HandoverError

VERSION_SIZE: Final = 16
ID_SIZE: Final = 16
HASH_SIZE: Final = 32
KEPT: Final = timedelta(days=400)
"""A school year with its summer: what wasn't packed or heard of for so long won't be sent any more."""
LIMIT: Final = 64 * 1024 * 1024
_LABEL: Final = b"overdracht/v1/versions\0"


class VersionsRefused(HandoverError):
    """The record beside the key file isn't one, or knows nothing of this bundle."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The version ids for a bundle that is about to be packed, and the bundle that it supersedes."""

    versions: dict[str, bytes]
    supersedes: bytes | None


@dataclass(frozen=True, slots=True)
class File:
    """A file that something was packed from, and the SHA-256 it had then."""

    path: Path
    sha256: bytes

    @classmethod
    def seen(cls, path: Path) -> "File":
        """Look at a file as it is now; raises OSError."""
        with path.open("rb") as file:
            return cls(path.absolute(), hashlib.file_digest(file, "sha256").digest())


@dataclass(frozen=True, slots=True)
class Source:
    """What a bundle was packed from: the dossier, attachments with their sections, and the choice of sections."""

    dossier: File
    attached: tuple[tuple[str, File], ...] = ()
    sections: tuple[str, ...] | None = None


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
    known = _transfer(_read(keyfile) if transfer else _nothing(), transfer)
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
    now: datetime,
) -> None:
    """Note a bundle that was packed for a transfer. Call it before the bundle is there for anybody to send."""
    with _changed(keyfile) as value:
        known = _noted(value, transfer, now)
        known["sections"] = {
            section: {"content": b64(mac), "version": b64(versions[section])} for section, mac in macs.items()
        }
        _object(value["packed"])[b64(bundle)] = {"transfer": transfer, "sections": list(filled)}


def remember_source(keyfile: Path, transfer: str, source: Source, now: datetime) -> None:
    """Note from which files a transfer's bundle was packed, so that it can be sealed again."""
    with _changed(keyfile) as value:
        _noted(value, transfer, now)["source"] = {
            "dossier": _print_file(source.dossier),
            "attached": [[section, _print_file(file)] for section, file in source.attached],
            "sections": None if source.sections is None else list(source.sections),
        }


def source_of(keyfile: Path, transfer: str) -> Source | None:
    """Give what a transfer's bundle was packed from, or None where that wasn't noted; raises VersionsRefused."""
    noted = _transfer(_read(keyfile), transfer)["source"]
    return None if noted is None else _source(noted)


def filled_sections(keyfile: Path, bundle: bytes) -> list[str]:
    """Tell which sections of a bundle hold something; raises VersionsRefused for a bundle packed elsewhere."""
    packed = _object(_read(keyfile)["packed"]).get(b64(bundle))
    if packed is None:
        raise VersionsRefused("this bundle wasn't packed with this key file for a transfer, or was sent already")
    return _texts(record(packed, "transfer", "sections")["sections"])


def remember_sent(keyfile: Path, transfer: str, bundle: bytes, now: datetime) -> None:
    """Note that the service took a bundle: the next one supersedes it, and none packed before can be sent any more."""
    with _changed(keyfile) as value:
        _noted(value, transfer, now)["sent"] = b64(bundle)
        _drop_packed(value, {transfer})


def learn(keyfile: Path, sent: Mapping[str, bytes], closed: Collection[str], now: datetime) -> None:
    """Take over from the service which bundle it has per transfer, and forget what is closed or long past.

    The service's word counts for what a new bundle supersedes: it compares that itself, and an answer may have got lost
    or the record with the machine it was on.
    """
    with _changed(keyfile) as value:
        for transfer, bundle in sent.items():
            if _transfer(value, transfer)["sent"] != b64(bundle):
                _noted(value, transfer, now)["sent"] = b64(bundle)
        transfers, last = _object(value["transfers"]), (now - KEPT).date()
        gone = {name for name in transfers if name in closed or _day(_transfer(value, name)["at"]) < last}
        for name in gone:
            del transfers[name]
        _drop_packed(value, gone)


def _drop_packed(value: dict[str, JSON], transfers: Collection[str]) -> None:
    packed = _object(value["packed"])
    value["packed"] = {
        bundle: said
        for bundle, said in packed.items()
        if record(said, "transfer", "sections")["transfer"] not in transfers
    }


def _kept(known: JSON, mac: bytes) -> bytes:
    if known is not None:
        fields = record(known, "content", "version")
        if hmac.compare_digest(unb64(fields["content"]), mac):
            return unb64(fields["version"], VERSION_SIZE)
    return secrets.token_bytes(VERSION_SIZE)


def _nothing() -> dict[str, JSON]:
    return {"v": 2, "transfers": {}, "packed": {}}


def _read(keyfile: Path) -> dict[str, JSON]:
    try:
        data = path_beside(keyfile).read_bytes()
    except FileNotFoundError:
        return _nothing()
    try:
        value = record(parse(data, limit=LIMIT), "v", "transfers", "packed")
        if value["v"] != 2:
            raise VersionsRefused("the record beside the key file is of a version that this program doesn't know")
        _check(value)
    except EncodingRefused as problem:
        raise VersionsRefused(f"the record beside the key file is damaged: {problem}") from None
    return value


def _check(value: dict[str, JSON]) -> None:
    """Read every part once, so that nothing of it fails later, half way through a change; raises EncodingRefused."""
    for transfer in _object(value["transfers"]):
        known = _transfer(value, transfer)
        _day(known["at"])
        if known["sent"] is not None:
            unb64(known["sent"], ID_SIZE)
        if known["source"] is not None:
            _source(known["source"])
        for section in _object(known["sections"]).values():
            kept = record(section, "content", "version")
            unb64(kept["content"], HASH_SIZE)
            unb64(kept["version"], VERSION_SIZE)
    for packed in _object(value["packed"]).values():
        said = record(packed, "transfer", "sections")
        text(said["transfer"])
        _texts(said["sections"])


def _transfer(value: dict[str, JSON], transfer: str) -> dict[str, JSON]:
    known = _object(value["transfers"]).get(transfer)
    if known is None:
        return {"at": None, "sent": None, "source": None, "sections": {}}
    return record(known, "at", "sent", "source", "sections")


def _noted(value: dict[str, JSON], transfer: str, now: datetime) -> dict[str, JSON]:
    """Give a transfer's place in the record, to be filled in, with today's date on it."""
    known = _transfer(value, transfer) | {"at": now.astimezone(UTC).date().isoformat()}
    _object(value["transfers"])[transfer] = known
    return known


def _print_file(file: File) -> dict[str, JSON]:
    # The bytes: a name on a disk needn't be text.
    return {"path": b64(os.fsencode(file.path)), "sha256": b64(file.sha256)}


def _source(value: JSON) -> Source:
    said = record(value, "dossier", "attached", "sections")
    attached, sections = said["attached"], said["sections"]
    if not isinstance(attached, list):
        raise EncodingRefused("a list is expected")
    pairs = [each for each in attached if isinstance(each, list) and len(each) == 2]
    if len(pairs) != len(attached):
        raise EncodingRefused("pairs are expected")
    return Source(
        _file(said["dossier"]),
        tuple((text(section), _file(file)) for section, file in pairs),
        None if sections is None else tuple(_texts(sections)),
    )


def _file(value: JSON) -> File:
    said = record(value, "path", "sha256")
    return File(Path(os.fsdecode(unb64(said["path"]))), unb64(said["sha256"], HASH_SIZE))


def _texts(value: JSON) -> list[str]:
    if not isinstance(value, list):
        raise EncodingRefused("a list is expected")
    return [text(each) for each in value]


def _day(value: JSON) -> date:
    try:
        return date.fromisoformat(text(value, "[0-9]{4}-[0-9]{2}-[0-9]{2}"))
    except ValueError:
        raise EncodingRefused("not a day") from None


def _object(value: JSON) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise EncodingRefused("an object is expected")
    return value


@contextmanager
def _changed(keyfile: Path) -> Iterator[dict[str, JSON]]:
    """Change the record while nobody else does: two packs at a time would each forget what the other noted."""
    lock = os.open(keyfile, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        value = _read(keyfile)
        before = canon(value)
        yield value
        if (data := canon(value)) == before:
            return
        replace_private(path_beside(keyfile), data)
    finally:
        os.close(lock)
