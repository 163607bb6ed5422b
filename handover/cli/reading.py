"""Reading what a command is given: key files, dossiers, shares, attachments."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from crypto.errors import EncodingRefused, KeyRefused
from handover.cli.terminal import InputRefused, passphrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consent.terms import Section
    from crypto.encoding import JSON
    from crypto.keyfile import KeyFile, PublicFile, PublicIdentity, PublicOfficer
    from crypto.keys import SignKey
    from crypto.shares import Shares
    from handover.dossier import Dossier

T = TypeVar("T")
KEYS_LIMIT: Final = 1 << 20
CUSTODY_LIMIT: Final = 1 << 16
DOSSIER_LIMIT: Final = 512 << 20


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file that must not be longer than `limit` bytes."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputRefused(f"{path.name}: longer than {limit} bytes")
    return data


def read_object(path: Path, limit: int) -> "dict[str, JSON]":
    """Read a JSON object that a person has written. What it refuses is told by its place, never by its value."""
    from crypto.encoding import json_load

    try:
        value = json_load(read_bytes(path, limit), limit=limit)
    except EncodingRefused as problem:
        raise InputRefused(f"{path.name}: {problem}; see --help") from None
    if not isinstance(value, dict):
        raise InputRefused(f"{path.name}: an object in braces is expected; see --help")
    return value


def custody_in(said: "Mapping[str, JSON]", path: Path) -> "dict[str, JSON]":
    """Take who holds gezag, which stands in a file by itself or in a pupil's registration."""
    custody = said.get("custody", said)
    if not isinstance(custody, dict) or not {"holders", "evidence"} <= custody.keys():
        raise InputRefused(f"{path.name}: the holders and the evidence of custody are expected; see --help")
    return custody


def read_public(path: Path) -> "PublicFile":
    """Read a PUBFILE; a KEYFILE is taken too, for what it says openly."""
    from crypto.keyfile import parse_public

    return _openly(read_bytes(path, KEYS_LIMIT), parse_public)


def read_any_public(path: Path) -> "PublicFile | PublicIdentity | PublicOfficer":
    """Read what a file of keys says openly, whosever it is, a board's or an officer's too."""
    from crypto.keyfile import parse_identity_public, parse_officer_public, parse_public

    data = read_bytes(path, KEYS_LIMIT)
    with suppress(KeyRefused):
        return _openly(data, parse_identity_public)
    with suppress(KeyRefused):
        return _openly(data, parse_officer_public)
    return _openly(data, parse_public)


def _openly(data: bytes, parse: "Callable[[bytes], T]") -> "T":
    from crypto.encoding import canon, json_load

    try:
        return parse(data)
    except KeyRefused:
        value = json_load(data, limit=KEYS_LIMIT)
        if not isinstance(value, dict) or value.pop("secrets", None) is None:
            raise
        return parse(canon(value))


def read_identity(path: Path, kind: str) -> "SignKey":
    """Open the private key of a board (`identity`) or of the register (`root`)."""
    from crypto.keyfile import parse_identity

    data = read_bytes(path, KEYS_LIMIT)
    opened = parse_identity(data, passphrase(path))
    if opened.kind != kind:
        raise InputRefused(f"{path.name}: the key of a {opened.kind}, where that of a {kind} is needed")
    return opened


def read_keyfile(path: Path) -> "KeyFile":
    """Open a KEYFILE with its passphrase, which is asked for only once the file is known to be one."""
    from crypto.keyfile import parse_private

    data = read_bytes(path, KEYS_LIMIT)
    return parse_private(data, passphrase(path))


def unlocking(path: Path) -> Callable[[], "KeyFile"]:
    """Begin to open a KEYFILE in a thread of its own; gives what waits for it, and raises what `read_keyfile` does.

    Making a key of a passphrase takes long on purpose. It lets go of the interpreter's lock, so that a command can
    import and read the rest meanwhile.
    """
    from threading import Thread

    from crypto.keyfile import parse_private

    data, phrase = read_bytes(path, KEYS_LIMIT), passphrase(path)
    opened: list[KeyFile | Exception] = []

    def unlock() -> None:
        try:
            opened.append(parse_private(data, phrase))
        except Exception as error:  # the one who waits is told
            opened.append(error)

    def wait() -> "KeyFile":
        thread.join()
        (found,) = opened
        if isinstance(found, Exception):
            raise found
        return found

    thread = Thread(target=unlock)
    thread.start()
    return wait


def read_shares(path: Path) -> "Shares":
    """Read a SHARES.json."""
    from crypto.shares import SHARES_LIMIT, parse_shares

    return parse_shares(read_bytes(path, SHARES_LIMIT))


def read_dossier(path: Path) -> tuple["Dossier", tuple[str, ...]]:
    """Read a dossier from JSON or from OSO XML, whichever it is; gives it with the warnings of its reader."""
    from handover.dossier import DossierRefused

    data = read_bytes(path, DOSSIER_LIMIT)
    try:
        return _dossier(data)
    except DossierRefused as refused:
        named = (replace(one, place=f"{path.name}: {one.place}".removesuffix(": ")) for one in refused.problems)
        raise DossierRefused(tuple(named)) from None


def _dossier(data: bytes) -> tuple["Dossier", tuple[str, ...]]:
    from handover.dossier import load

    if data.lstrip()[:1] == b"{":
        return load(data), ()
    from handover.oso import read

    result = read(data)
    return result.dossier, tuple(map(str, result.warnings))


def school_code(text: str) -> str:
    """Take BRIN and vestiging, or a BRIN alone, which means vestiging 00."""
    from consent.terms import is_school

    code = text + "00" if re.fullmatch(r"[0-9]{2}[A-Z]{2}", text) else text
    if not is_school(code):
        raise InputRefused("a school is a BRIN, such as 99AB, with or without the vestiging, such as 99AB00")
    return code


def section_names(text: str) -> "frozenset[Section]":
    """Take section names with commas between them."""
    from consent.terms import Section

    names = [name.strip() for name in text.split(",")]
    if wrong := [name for name in names if name not in tuple(Section)]:
        raise InputRefused(f"{wrong[0] or 'nothing'} isn't a section; the sections are {', '.join(Section)}")
    return frozenset(map(Section, names))


def attachment(text: str) -> "tuple[Section, Path]":
    """Take FILE, which goes to `reports`, or SECTION=FILE."""
    from consent.terms import Section

    name, _, rest = text.partition("=")
    section, path = (Section(name), Path(rest)) if name in tuple(Section) and rest else (Section.REPORTS, Path(text))
    if not path.is_file():
        raise InputRefused(f"{path.name}: there is no such file to attach")
    return section, path
