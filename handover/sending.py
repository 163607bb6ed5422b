"""Sending a sealed bundle: all that only the sender's side can check, and then the upload.

(1) The bundle is one's own, for this transfer, and its shares are those it commits to.
(2) The transfer is as the bundle says: receiver, purpose, route.
(3) The receiver's key is, by the replayed key log, the one that the bundle is sealed to.
(4) The sections with something in them are exactly those that the transfer asked for, `views` aside: nobody can see
    that from outside, and a family was asked about just those.
(5) Upload. Once the service has acknowledged, the bundle is remembered as sent and the file of shares is deleted: from
    then on only the service can release.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from consent.terms import Section
from crypto.bundle import Reader
from crypto.encoding import JSON, b64
from crypto.errors import ShareRefused
from crypto.manifest import Manifest, check_share
from crypto.shares import SHARES_LIMIT, Shares, parse_shares
from handover import versions
from handover.client import Client
from handover.directory import Directory
from handover.errors import HandoverError


class SendingRefused(HandoverError):
    """A bundle must not be sent like this."""


def send(
    client: Client,
    directory: Directory,
    transfer: str,
    bundle: Path,
    shares: Path,
    *,
    keyfile: Path,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, JSON]:
    """Send a bundle for a transfer; gives the service's answer.

    Raises SendingRefused, VersionsRefused, CryptoError before anything is sent; ServiceRefused, ServiceFailed after.
    A second try of the same files, after an answer that was lost, has no second effect (bad case H6).
    """
    with shares.open("rb") as file:
        printed = file.read(SHARES_LIMIT + 1)
    with bundle.open("rb") as stream:
        reader = Reader(stream)
        reader.verify(client.key.sign.public)
        name = b64(reader.manifest.core.bundle)
        _check_shares(reader.manifest, parse_shares(printed))  # (1)
        _check_transfer(client.transfer(transfer), transfer, reader.manifest, keyfile)  # (2) (4)
        _check_receiver(directory, reader.manifest, now)  # (3)
        stream.seek(0)
        answer = client.upload(transfer, printed, stream, f"send-{name}", progress)  # (5)
    if answer.get("bundle") != name:
        raise SendingRefused("the service acknowledged another bundle than it was sent")
    versions.remember_sent(keyfile, transfer, reader.manifest.core.bundle, now)
    shares.unlink()
    return answer


def _check_shares(manifest: Manifest, shares: Shares) -> None:
    core = manifest.core
    if shares.bundle != core.bundle or shares.to != core.recipient.kid or set(shares.shares) != set(core.sections):
        raise ShareRefused("the file of shares isn't this bundle's, or isn't whole")
    for section, share in shares.shares.items():
        check_share(manifest, section, share)


def _check_transfer(known: dict[str, JSON], transfer: str, manifest: Manifest, keyfile: Path) -> None:
    core = manifest.core
    facts = {
        "transfer": (core.transfer, transfer),
        "receiver": (core.recipient.school, known.get("receiver")),
        "purpose": (core.purpose, known.get("purpose")),
        "route": (core.route, known.get("route")),
        "side": ("sender", known.get("side")),
    }
    if wrong := [name for name, (said, is_) in facts.items() if said != is_]:
        raise SendingRefused(f"the bundle isn't for this transfer: other {', '.join(wrong)}")
    asked = known.get("sections")
    wanted = {str(name) for name in asked} if isinstance(asked, list) else set()
    filled = set(versions.filled_sections(keyfile, core.bundle))
    if different := (filled ^ wanted) - {Section.VIEWS}:
        listed = [f"{name} is {'extra' if name in filled else 'empty'}" for name in Section if name in different]
        raise SendingRefused(f"the bundle must hold exactly what the transfer asked for: {', '.join(listed)}")


def _check_receiver(directory: Directory, manifest: Manifest, now: datetime) -> None:
    core = manifest.core
    current = directory.log.current(core.recipient.school or "", "seal", now)
    if (current.kid, current.epoch) != (core.recipient.kid, core.epoch):
        raise SendingRefused("the bundle isn't sealed to the receiver's current key: get the key again, and pack again")
