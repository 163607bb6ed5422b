"""`handover key officer`, `key recovery` and `key rotate`: for the day on which a school has lost its keys.

Everything but publishing works offline. What each officer learns stands in `crypto/README.md`.
"""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli.reading import KEYS_LIMIT, read_bytes, read_identity, read_keyfile, read_public
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json, passphrase, remark
from handover.errors import HandoverError

if TYPE_CHECKING:
    from crypto.escrow import Recovery
    from crypto.keyfile import KeyFile, PublicOfficer
    from crypto.keys import SealKey


@click.command()
@click.option("--out", type=NEW, required=True, help="File for the officer's private key.")
@click.option("--public", "public_out", type=NEW, required=True, help="File for the officer's public key.")
@as_json
def officer(out: Path, public_out: Path, as_json: bool) -> None:
    """Make an officer's key: any two of a school's three officers can recover its keys, none of them alone."""
    from crypto.files import new_file, write_private
    from crypto.keyfile import PublicOfficer, print_officer, print_officer_public
    from crypto.keys import SealKey

    made = SealKey.generate()
    public = PublicOfficer(made.public)
    with new_file(public_out) as file:
        file.write(print_officer_public(public))
        write_private(out, print_officer(made, passphrase(out, new=True)))
    told = {"public": str(public_out), "fingerprint": public.fingerprint}
    answer(told, f"{public_out}\nfingerprint {public.fingerprint}", as_json=as_json)


@click.group()
def recovery() -> None:
    """Recover a school's keys by two of three officers."""


@recovery.command()
@click.option("--key", "keyfile", type=EXISTING, required=True, help="The school's key file.")
@click.option("--officer", "officers", type=EXISTING, multiple=True, required=True, help="An officer's public key.")
@click.option("--out", type=NEW, required=True, help="The recovery file. Keep it apart from the key file.")
@as_json
def make(keyfile: Path, officers: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Make the file from which any two of three officers recover the keys. Make a new one after every rotation."""
    from crypto.escrow import make_recovery, print_recovery
    from crypto.files import write_private

    three = [_read_public_officer(path) for path in officers]
    made = make_recovery(read_keyfile(keyfile), three)
    write_private(out, print_recovery(made))
    _tell(made, out, as_json=as_json)


@recovery.command("open")
@click.option("--file", "file", type=EXISTING, required=True, help="The recovery file.")
@click.option("--officer", "officer_file", type=EXISTING, required=True, help="The first officer's key.")
@click.option("--for", "second", type=EXISTING, help="Public key of the officer who finishes; without, either other.")
@click.option("--out", type=NEW, required=True, help="File for the part that the second officer gets.")
@as_json
def open_(file: Path, officer_file: Path, second: Path | None, out: Path, as_json: bool) -> None:
    """Open the first envelope, as the first officer. What comes out is for a second officer alone to open."""
    from crypto.escrow import open_part, parse_recovery, print_part
    from crypto.files import write_private

    known = parse_recovery(read_bytes(file, KEYS_LIMIT))
    seconds = [] if second is None else [_read_public_officer(second)]
    write_private(out, print_part(open_part(known, _read_officer(officer_file), seconds)))
    _tell(known, out, as_json=as_json)


@recovery.command()
@click.option("--file", "file", type=EXISTING, required=True, help="The recovery file.")
@click.option("--part", type=EXISTING, required=True, help="What the first officer handed over.")
@click.option("--officer", "officer_file", type=EXISTING, required=True, help="The second officer's key.")
@click.option("--out", type=NEW, required=True, help="File for the school's keys, under a passphrase of its own.")
@as_json
def finish(file: Path, part: Path, officer_file: Path, out: Path, as_json: bool) -> None:
    """Open the second envelope, as another officer, and write the school's key file anew."""
    from crypto.escrow import finish as finish_recovery
    from crypto.escrow import parse_part, parse_recovery
    from crypto.files import write_private
    from crypto.keyfile import print_private

    known = parse_recovery(read_bytes(file, KEYS_LIMIT))
    opened = parse_part(read_bytes(part, KEYS_LIMIT))
    keys = finish_recovery(known, opened, _read_officer(officer_file))
    write_private(out, print_private(keys, passphrase(out, new=True)))
    _tell(known, out, as_json=as_json)
    remark("whoever finished this has had the keys: fetch what is waiting, then replace them (handover key rotate)")


@click.command()
@click.option("--key", "keyfile", type=EXISTING, required=True, help="The school's present keys, private or public.")
@click.option("--identity", "identity_file", type=EXISTING, required=True, help="The board's identity key.")
@click.option("--out", type=NEW, required=True, help="File for the new keys; the public ones go to FILE.pub.")
@click.option("--publish", is_flag=True, help="Publish the statements at once; without, use handover key publish.")
@click.option("--origin", envvar="HANDOVER_ORIGIN", help="Address of the service.")
@as_json
def rotate(keyfile: Path, identity_file: Path, out: Path, publish: bool, origin: str | None, as_json: bool) -> None:
    """Replace a school's keys by new ones, which end the old.

    From the moment they are published nothing more is released to the old key. Every sender sees in its list what to
    seal again. Keep the old key file: what was fetched before opens with it alone.
    """
    if publish and origin is None:
        raise InputRefused("where to publish must be said: --origin or HANDOVER_ORIGIN")
    keys = _rotated(keyfile, identity_file)
    _write_rotated(keys, keyfile, out)
    public = keys.public
    if publish and origin is not None:
        _publish(keys, origin, out)
    told = {"school": keys.school, "out": str(out), "fingerprint": public.fingerprint, "published": publish}
    lines = [f"{out}", f"fingerprint {public.fingerprint}", "published" if publish else f"publish {out}.pub"]
    answer(told, "\n".join(lines), as_json=as_json)
    remark("the recovery file holds the old keys: make a new one (handover key recovery make)")


def _rotated(keyfile: Path, identity_file: Path) -> "KeyFile":
    from crypto.keyfile import KeyFile
    from handover.certifying import seal_epoch, state_keys

    before = read_public(keyfile)
    if before.school is None:
        raise InputRefused(f"{keyfile.name}: these keys belong to no school; make new ones with handover key new")
    seal_epoch(before)  # refuses keys that no statement gives to the school
    return state_keys(
        KeyFile.generate(before.school), read_identity(identity_file, "identity"), datetime.now(UTC), before
    )


def _write_rotated(keys: "KeyFile", keyfile: Path, out: Path) -> None:
    from crypto.files import new_file
    from crypto.keyfile import print_private, print_public
    from handover.versions import path_beside

    files = {out.with_name(out.name + ".pub"): print_public(keys.public)}
    if (record := path_beside(keyfile)).exists():  # what was sent stays sent, and from which files
        files[path_beside(out)] = record.read_bytes()
    files[out] = print_private(keys, passphrase(out, new=True))
    with ExitStack() as stack:  # all of them or none
        for path, data in files.items():
            stack.enter_context(new_file(path)).write(data)


def _publish(keys: "KeyFile", origin: str, out: Path) -> None:
    from handover.client import PublicClient

    try:
        with PublicClient(origin) as client:
            client.put_keys(keys.school or "", keys.statements)
    except HandoverError:
        remark(f"the new keys are made but not published: handover key publish {out}.pub")
        raise


def _tell(known: "Recovery", out: Path, *, as_json: bool) -> None:
    """Show whose keys these are and who the officers are, to be compared by telephone."""
    fingerprints = [officer.fingerprint for officer in known.officers]
    told: dict[str, object] = {
        "out": str(out),
        "school": known.keys.school,
        "fingerprint": known.keys.fingerprint,
        "officers": fingerprints,
    }
    lines = [f"{out}", f"school      {known.keys.school or 'none'}", f"fingerprint {known.keys.fingerprint}"]
    answer(told, "\n".join(lines + [f"officer     {each}" for each in fingerprints]), as_json=as_json)


def _read_public_officer(path: Path) -> "PublicOfficer":
    from crypto.keyfile import parse_officer_public

    return parse_officer_public(read_bytes(path, KEYS_LIMIT))


def _read_officer(path: Path) -> "SealKey":
    from crypto.keyfile import parse_officer

    return parse_officer(read_bytes(path, KEYS_LIMIT), passphrase(path))
