"""The manifest: what a sealed bundle says openly, and the hashes that bind its insides to it. Nothing here is secret.

README.md, "The sealed bundle", is the specification.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512

from crypto.encoding import JSON, SCHOOL, b64, canon, integer, lp, parse, record, text, unb64
from crypto.errors import BundleMalformed, BundleUnsigned, EncodingRefused, ShareRefused, SignatureRefused
from crypto.keys import KID_SIZE, SHARE_OVERHEAD, SIGNATURE_SIZE, SignKey, kid
from crypto.sign import label, sign, verify

VERSION = 1
SUITE = "x-wing+cobblestone256+ed25519"
"""The one suite of this version: its last word is the list of signatures that it demands, in order."""

ID_SIZE = 16
SECRET_SIZE = 32
HASH_SIZE = 32
SHARE_SIZE = SECRET_SIZE + SHARE_OVERHEAD
WRAPPED_SIZE = SECRET_SIZE + 16
NONCE = bytes(12)
"""Of the wrap of a section's key: each wrapping key is used once."""

LONGEST_LIFE = timedelta(days=90)

MANIFEST_LIMIT = 1 << 16
SECTIONS_LIMIT = 64

SECTION_NAME = r"[a-z][a-z0-9_]{0,31}"
_REFERENCE = r"[A-Za-z0-9_-]{0,64}"


@dataclass(frozen=True, slots=True)
class Party:
    """A school and one of its keys; `school` is None for keys of nobody yet."""

    school: str | None
    kid: bytes


@dataclass(frozen=True, slots=True)
class Core:
    """What a bundle is: from whom, to whom, what for, which sections. Its hash is bound into everything inside."""

    bundle: bytes
    transfer: str
    purpose: str
    route: str
    sender: Party
    recipient: Party
    epoch: int
    sections: tuple[str, ...]
    versions: Mapping[str, bytes]
    supersedes: bytes | None
    made_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """What the manifest holds of a section: the hash of its parts, its wrapped key, and what its share must hash to."""

    part: bytes
    w: bytes
    rc: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """The signed statement of a bundle: its core, the recipient's sealed secret, a slot for each section."""

    core: Core
    share: bytes
    slots: Mapping[str, Slot]


def print_core(core: Core) -> bytes:
    """Print a core as canonical JSON; raises EncodingRefused for moments without a zone."""
    return canon(_core_value(core))


def print_checked(core: Core) -> bytes:
    """Print a core that a reader would take: what is sealed must be readable. Raises BundleMalformed."""
    try:
        value = _core_value(core)
        _core(value)
        return canon(value)
    except EncodingRefused as error:
        raise BundleMalformed(f"the core: {error}") from None


def core_hash(core: Core) -> bytes:
    """Hash a core (`hc`): what binds every part of a bundle to exactly this bundle."""
    return printed_core_hash(print_core(core))


def printed_core_hash(core: bytes) -> bytes:
    """Hash a core that is printed already."""
    return sha256(label("core") + core).digest()


def printed_core(manifest: bytes) -> bytes:
    """Take the core out of a printed manifest that was parsed, and so has one form."""
    # The core comes first. Inside it `sections` is a list, and a version of that name is a text.
    return manifest[len(b'{"core":') : manifest.index(b',"sections":{')]


def print_manifest(manifest: Manifest, core: bytes | None = None) -> bytes:
    """Print a manifest as canonical JSON; `core` is its core printed, where that is at hand."""
    slots = ",".join([_print_slot(name, slot) for name, slot in sorted(manifest.slots.items())])
    rest = f'"sections":{{{slots}}},"share":"{b64(manifest.share)}"}}'
    return b'{"core":%b,%b' % (core or print_core(manifest.core), rest.encode("ascii"))


def manifest_size(core: bytes, sections: Sequence[str]) -> int:
    """Give the size of a manifest by its printed core and its sections: all else in it has one size."""
    slots = sum(map(len, sections)) + len(sections) * (_SLOT_SIZE + len(","))
    return _FRAME_SIZE + len(core) + slots - len(",")


def _print_slot(name: str, slot: Slot) -> str:
    return f'"{name}":{{"part":"{b64(slot.part)}","rc":"{b64(slot.rc)}","w":"{b64(slot.w)}"}}'


_SLOT_SIZE = len(_print_slot("", Slot(bytes(HASH_SIZE), bytes(WRAPPED_SIZE), bytes(HASH_SIZE))))
_FRAME_SIZE = len(f'{{"core":,"sections":{{}},"share":"{b64(bytes(SHARE_SIZE))}"}}')


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest, strictly; raises BundleMalformed."""
    try:
        value = record(parse(data, limit=MANIFEST_LIMIT), "core", "share", "sections")
        core = _core(value["core"])
        slots = record(value["sections"], *core.sections)
        return Manifest(core, unb64(value["share"], SHARE_SIZE), {name: _slot(slots[name]) for name in core.sections})
    except EncodingRefused as error:
        raise BundleMalformed(f"the manifest: {error}") from None


def _core_value(core: Core) -> dict[str, JSON]:
    return {
        "v": VERSION,
        "suite": SUITE,
        "bundle": b64(core.bundle),
        "transfer": core.transfer,
        "purpose": core.purpose,
        "route": core.route,
        "from": {"school": core.sender.school, "kid": b64(core.sender.kid)},
        "to": {"school": core.recipient.school, "kid": b64(core.recipient.kid), "epoch": core.epoch},
        "sections": list(core.sections),
        "versions": {name: b64(version) for name, version in core.versions.items()},
        "supersedes": None if core.supersedes is None else b64(core.supersedes),
        "made_at": _print_moment(core.made_at),
        "expires_at": _print_moment(core.expires_at),
    }


_WHAT = ("v", "suite", "bundle", "transfer", "purpose", "route", "from", "to", "sections", "versions", "supersedes")
_CORE = (*_WHAT, "made_at", "expires_at")


def _core(data: JSON) -> Core:
    value = record(data, *_CORE)
    integer(value["v"], VERSION, VERSION)
    if value["suite"] != SUITE:
        raise EncodingRefused("the suite is unknown")
    sender, recipient = record(value["from"], "school", "kid"), record(value["to"], "school", "kid", "epoch")
    sections = _sections(value["sections"])
    versions = record(value["versions"], *sections)
    return _check_life(
        Core(
            bundle=unb64(value["bundle"], ID_SIZE),
            transfer=text(value["transfer"], _REFERENCE),
            purpose=text(value["purpose"], _REFERENCE),
            route=text(value["route"], _REFERENCE),
            sender=_party(sender),
            recipient=_party(recipient),
            epoch=integer(recipient["epoch"]),
            sections=sections,
            versions={name: unb64(versions[name], ID_SIZE) for name in sections},
            supersedes=None if value["supersedes"] is None else unb64(value["supersedes"], ID_SIZE),
            made_at=_moment(value["made_at"]),
            expires_at=_moment(value["expires_at"]),
        )
    )


def _check_life(core: Core) -> Core:
    if not timedelta(0) < core.expires_at - core.made_at <= LONGEST_LIFE:
        raise EncodingRefused("a bundle lives for more than nothing and at most 90 days")
    return core


def _party(value: Mapping[str, JSON]) -> Party:
    school = value["school"]
    return Party(None if school is None else text(school, SCHOOL), unb64(value["kid"], KID_SIZE))


def _sections(value: JSON) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= SECTIONS_LIMIT:
        raise EncodingRefused("sections are a list of names")
    names = tuple(text(name, SECTION_NAME) for name in value)
    if len(set(names)) != len(names):
        raise EncodingRefused("a section is named twice")
    return names


def _slot(data: JSON) -> Slot:
    value = record(data, "part", "w", "rc")
    return Slot(unb64(value["part"], HASH_SIZE), unb64(value["w"], WRAPPED_SIZE), unb64(value["rc"], HASH_SIZE))


def _moment(value: JSON) -> datetime:
    # The pattern first: fromisoformat alone takes many other forms.
    printed = text(value, r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
    try:
        return datetime.fromisoformat(printed)
    except ValueError:
        raise EncodingRefused("a moment that doesn't exist") from None


def _print_moment(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise EncodingRefused("a moment without its zone")
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def part_hash(binding: bytes, section: str, printed_items: bytes) -> bytes:
    """Hash a section's list of items (`part_s`), bound to the bundle (`binding` is the core's hash) and its name."""
    return sha256(label("part") + lp(binding, section.encode("ascii"), sha256(printed_items).digest())).digest()


def item_context(binding: bytes, section: str, number: int) -> bytes:
    """Give the context that binds an item to its bundle, its section and its place."""
    return label("item") + lp(binding, section.encode("ascii"), number.to_bytes(4, "big"))


def slot_info(binding: bytes, to: bytes, section: str) -> bytes:
    """Give what the key of a slot is derived and bound with."""
    return label("slot") + lp(binding, to, section.encode("ascii"))


def share_info(binding: bytes, to: bytes, sender: bytes) -> bytes:
    """Give what the recipient's sealed secret is bound to."""
    return label("share") + lp(binding, to, sender)


def share_commitment(binding: bytes, to: bytes, section: str, share: bytes) -> bytes:
    """Commit to a section's release share (`rc_s`)."""
    return sha256(label("release") + lp(binding, to, section.encode("ascii"), share)).digest()


def check_share(manifest: Manifest, section: str, share: bytes) -> None:
    """Raise ShareRefused unless this is the release share that the manifest commits to for this section."""
    check_commitment(manifest, core_hash(manifest.core), section, share)


def check_commitment(manifest: Manifest, binding: bytes, section: str, share: bytes) -> None:
    """Do the same where the core's hash is at hand."""
    if section not in manifest.slots:
        raise ShareRefused("a release share is for a section that the bundle doesn't have")
    commitment = share_commitment(binding, manifest.core.recipient.kid, section, share)
    if not hmac.compare_digest(commitment, manifest.slots[section].rc):
        raise ShareRefused(f"the release share of {section} isn't this bundle's")


def sign_manifest(key: SignKey, manifest: bytes) -> bytes:
    """Make the block of signatures of a printed manifest: each after its length, in the suite's order."""
    return lp(sign(key, "bundle", sha512(manifest).digest()))


def verify_manifest(core: Core, printed: bytes, signatures: bytes, public: bytes) -> None:
    """Raise BundleUnsigned unless the core names this key and it made exactly the signatures that the suite demands.

    `core` is what `printed`, the signed bytes, was parsed to.
    """
    if kid("sign", public) != core.sender.kid:
        raise BundleUnsigned("the bundle names another sender's key")
    signature = signatures[2:]
    if len(signature) != SIGNATURE_SIZE or signatures != lp(signature):
        raise BundleUnsigned("the signatures aren't those that the suite demands")
    try:
        verify(public, "bundle", sha512(printed).digest(), signature)
    except SignatureRefused:
        raise BundleUnsigned("the signature isn't the sender's") from None
