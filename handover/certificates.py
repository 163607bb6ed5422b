"""The certificate of destruction: what of a board's was destroyed in an epoch, and that the epoch's key is gone.

    {"certificate": {...}, "proofs": [...], "signature": ..., "terms": {"ended": [salt, text], "turned": [salt, text]}}

in canonical JSON. `certificate` is `{v, origin, board, epoch, from, upto, made_at, turned, ended, destroyed}`. An
entry of the journal stands in it as `{index, leaf, at}`, one of `destroyed` with `what` and `term` beside these; `leaf`
is the leaf's hash, `at` null where the entry was erased since. `signature` is the log's own (context `certificate`).
`proofs` are C2SP tlog-proofs, of `turned`, of `ended`, and of each of `destroyed` in order, each with its leaf as extra
data.

It shows that these entries stand in the journal, that each is of a type that destroys, that they stand below `upto`,
that EPOCH_TURNED says of this epoch that everything below `upto` was destroyed before it turned, and that EPOCH_ENDED
says that its key was destroyed. What was destroyed in each entry, and that it was done, the service says with its
signature; no paper can show that nobody kept a copy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Final

from crypto.checkpoint import Checkpoint, Receipt, parse_receipt, print_receipt, verify_receipt
from crypto.encoding import JSON, Printable, b64, canon, integer, parse, record, text, unb64
from crypto.errors import CryptoError, EncodingRefused
from crypto.keys import SIGNATURE_SIZE, SignKey
from crypto.merkle import leaf_hash
from crypto.sign import label, sign, verify
from handover.errors import HandoverError
from handover.trust import JOURNAL, Trust

LIMIT: Final = 1 << 26
SHREDDED: Final = 0x2C
ERASED: Final = 0x11
STAFF_ERASED: Final = 0x12
TURNED: Final = 0x35
ENDED: Final = 0x36
DESTROYED: Final = 0x37
DESTROYING: Final = (SHREDDED, ERASED, STAFF_ERASED, DESTROYED)
"""Types of entries that say that something was destroyed."""

_BOARD: Final = "[a-z0-9-]{2,40}"
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"
_WHAT: Final = "[a-z_]{1,40}"
_TERM: Final = "[^\x00-\x1f]{1,200}"
_CONTEXT: Final = "certificate"
_SALT: Final = 32


class CertificateRefused(HandoverError):
    """A certificate isn't one, isn't the log's, or can't be given yet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the journal: its place, its leaf, and when it was written as far as that is still known."""

    index: int
    leaf: bytes
    at: str | None
    what: str | None = None
    term: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says."""

    origin: str
    board: str
    epoch: int
    first: int
    upto: int
    made_at: str
    turned: Entry
    ended: Entry
    destroyed: tuple[Entry, ...]


def print_certificate(
    said: Certificate, proofs: Mapping[int, Sequence[bytes]], note: bytes, terms: tuple[bytes, bytes], key: SignKey
) -> bytes:
    """Print and sign a certificate.

    `proofs` are inclusion proofs by index against the checkpoint in `note`, `terms` the committed terms of `turned` and
    `ended`, each behind its salt.
    """
    body = _body(said)
    entries = (said.turned, said.ended, *said.destroyed)
    return canon(
        {
            "certificate": body,
            "signature": b64(sign(key, _CONTEXT, canon(body))),
            "proofs": [
                print_receipt(Receipt(each.index, tuple(proofs[each.index]), note, each.leaf)).decode()
                for each in entries
            ],
            "terms": {
                name: [part[:_SALT].hex(), part[_SALT:].decode()]
                for name, part in zip(("turned", "ended"), terms, strict=True)
            },
        }
    )


def verify_certificate(data: bytes, trust: Trust) -> tuple[Certificate, Checkpoint]:
    """Give what a certificate says and the checkpoint it rests on; raises CertificateRefused, TrustRefused."""
    origin, public = trust.log(JOURNAL)
    try:
        value = record(parse(data, limit=LIMIT), "certificate", "signature", "proofs", "terms")
        verify(public, _CONTEXT, canon(value["certificate"]), unb64(value["signature"], SIGNATURE_SIZE))
        proofs = value["proofs"]
        if not isinstance(proofs, list) or len(proofs) < 2:
            raise EncodingRefused("the proofs are a list")
        receipts = [parse_receipt(text(proof).encode()) for proof in proofs]
        said = _read(value["certificate"], [receipt.extra for receipt in receipts])
        entries = (said.turned, said.ended, *said.destroyed)
        for each, receipt in zip(entries, receipts, strict=True):
            checkpoint = verify_receipt(receipt, each.leaf, origin, public)
            if receipt.index != each.index or receipt.checkpoint != receipts[0].checkpoint:
                raise EncodingRefused("a proof is of another entry, or under another checkpoint")
        _check_order(said, origin)
        terms = record(value["terms"], "turned", "ended")
        _check_terms(said.turned, terms["turned"], {"epoch": said.epoch, "upto": said.upto})
        _check_terms(said.ended, terms["ended"], {"epoch": said.epoch})
    except CryptoError as problem:
        raise CertificateRefused(f"not a certificate of this log: {problem}") from None
    return said, checkpoint


def _body(said: Certificate) -> dict[str, Printable]:
    return {
        "v": 1,
        "origin": said.origin,
        "board": said.board,
        "epoch": said.epoch,
        "from": said.first,
        "upto": said.upto,
        "made_at": said.made_at,
        "turned": _place(said.turned),
        "ended": _place(said.ended),
        "destroyed": [{**_place(each), "what": each.what, "term": each.term} for each in said.destroyed],
    }


def _place(entry: Entry) -> dict[str, Printable]:
    return {"index": entry.index, "leaf": leaf_hash(entry.leaf).hex(), "at": entry.at}


def _read(body: JSON, leaves: Sequence[bytes]) -> Certificate:
    names = ("v", "origin", "board", "epoch", "from", "upto", "made_at", "turned", "ended", "destroyed")
    value = record(body, *names)
    integer(value["v"], 1, 1)
    listed = value["destroyed"]
    if not isinstance(listed, list) or len(listed) != len(leaves) - 2:
        raise EncodingRefused("each entry needs its proof")
    return Certificate(
        origin=text(value["origin"]),
        board=text(value["board"], _BOARD),
        epoch=integer(value["epoch"], 1),
        first=integer(value["from"]),
        upto=integer(value["upto"]),
        made_at=text(value["made_at"], _MOMENT),
        turned=_entry(value["turned"], leaves[0], (TURNED,)),
        ended=_entry(value["ended"], leaves[1], (ENDED,)),
        destroyed=tuple(_destroyed(each, leaf) for each, leaf in zip(listed, leaves[2:], strict=True)),
    )


def _entry(value: JSON, leaf: bytes, types: tuple[int, ...]) -> Entry:
    place = record(value, "index", "leaf", "at")
    if len(leaf) != 98 or leaf[1] not in types or leaf_hash(leaf).hex() != place["leaf"]:
        raise EncodingRefused("an entry isn't the one that is named, or of another type")
    return Entry(integer(place["index"]), leaf, _maybe(place["at"], _MOMENT))


def _destroyed(value: JSON, leaf: bytes) -> Entry:
    said = record(value, "index", "leaf", "at", "what", "term")
    place = _entry({name: said[name] for name in ("index", "leaf", "at")}, leaf, DESTROYING)
    return Entry(place.index, leaf, place.at, _maybe(said["what"], _WHAT), _maybe(said["term"], _TERM))


def _maybe(value: JSON, pattern: str) -> str | None:
    return None if value is None else text(value, pattern)


def _check_order(said: Certificate, origin: str) -> None:
    """Entries stand in order below `upto`, which was written down later, and the key ended after that."""
    indices = [said.first - 1, *(each.index for each in said.destroyed), said.upto]
    ordered = all(one < other for one, other in pairwise(indices))
    if said.origin != origin or not ordered or not said.upto <= said.turned.index < said.ended.index:
        raise EncodingRefused("the entries don't stand where a certificate needs them")


def _check_terms(entry: Entry, part: JSON, wanted: Mapping[str, JSON]) -> None:
    """The terms that are shown are those that the leaf commits to, and say this."""
    if not isinstance(part, list) or len(part) != 2:
        raise EncodingRefused("terms are a salt and a text")
    salt, printed = text(part[0], "[0-9a-f]{64}"), text(part[1]).encode()
    if sha256(label("terms") + bytes.fromhex(salt) + printed).digest() != entry.leaf[66:]:
        raise EncodingRefused("the terms of an entry aren't what its leaf holds")
    value = parse(printed, limit=LIMIT)
    if not isinstance(value, dict) or value.get("terms") != wanted or value.get("at") != entry.at:
        raise EncodingRefused("the terms of an entry say something else")


# ---- in words

_DUTCH: Final = {
    "superseded_bundle": "een bundel die door een nieuwere is vervangen",
    "withdrawn_share": "een onderdeel waarvoor de toestemming is ingetrokken",
    "delivered_bundle": "een bundel die is ontvangen",
    "expired_bundle": "een bundel die was verlopen",
    "undelivered_bundle": "een bundel die niemand heeft bevestigd",
    "cancelled_transfer": "een geannuleerde overdracht",
    "silent_transfer": "een overdracht waarvan niets is verstuurd",
    "contact": "naam en mailadres van de mensen om een leerling heen",
    "released_pupil": "alles over een leerling, met het bewijs van toestemming",
    "unreleased_pupil": "alles over een leerling van wie nooit iets is verstuurd",
    "staff_record": "wie van de medewerkers wat deed, in een jaar dat voorbij is",
    "withdrawn": "een onderdeel waarvoor de toestemming is ingetrokken, meteen op verzoek",
    "superseded": "een bundel die door een nieuwere is vervangen, meteen",
    "key_rotated": "een bundel voor een sleutel die niet meer geldt, meteen",
    "pupil": "alles over een leerling, op verzoek",
}
_ENGLISH: Final = {
    "withdrawn": "withdrawn section (at once, as the family asked)",
    "superseded": "superseded bundle (at once, by a newer version)",
    "key_rotated": "bundle to a key that was replaced (at once)",
    "pupil": "everything about a pupil, on request",
}
"""What went without a term, by why it went; everything else is named by its row of the retention table."""


def words(said: Certificate, checkpoint: Checkpoint) -> Iterator[str]:
    """Say a certificate in plain Dutch, and then in plain English."""
    count, upto = len(said.destroyed), said.upto - 1
    yield f"Verklaring van vernietiging voor bestuur {said.board}, tijdvak {said.epoch} van {said.origin}."
    yield f"De sleutel van dit tijdvak is vernietigd: zie het logboek, regel {said.ended.index}, op {said.ended.at}."
    yield f"Vernietigd: {count}. Alles tot en met regel {upto} was weg voordat het tijdvak eindigde."
    for each in said.destroyed:
        yield f"  regel {each.index}: {_DUTCH.get(each.what or '', 'wat dit was, is zelf gewist')}"
    yield f"Elke regel staat in het logboek zoals het was bij {checkpoint.size} regels. Vergelijk dat met de getuige."
    yield "Dit bewijst niet dat niemand een kopie heeft gemaakt van wat hij mocht openen."
    yield ""
    yield f"Certificate of destruction for board {said.board}, epoch {said.epoch} of {said.origin}."
    yield f"The key of this epoch was destroyed. The journal says so in entry {said.ended.index}, at {said.ended.at}."
    yield f"Destroyed: {count}. Everything up to entry {upto} was gone before the epoch ended."
    for each in said.destroyed:
        kind = _ENGLISH.get(each.what or "", (each.what or "what it was is erased itself").replace("_", " "))
        yield f"  entry {each.index}: {kind}{f' (term: {each.term})' if each.term else ''}"
    yield f"Each entry stands in the journal as it was at {checkpoint.size} entries. Compare that with the witness."
    yield "It doesn't prove that nobody copied what they were allowed to open."
