"""`handover key`: make, certify and show keys. All but `get` and `publish` works offline."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli.dpo import dpo
from handover.cli.policy import policy
from handover.cli.reading import KEYS_LIMIT, read_any_public, read_bytes, read_identity, read_public, school_code
from handover.cli.recovery import officer, recovery, rotate
from handover.cli.terminal import EXISTING, FOLDER, NEW, InputRefused, answer, as_json, passphrase, remark

if TYPE_CHECKING:
    from crypto.keyfile import Kind as SingleKind
    from crypto.keyfile import PublicFile
    from crypto.statements import Kind, State
    from handover.client import PublicClient


@click.group()
def key() -> None:
    """Make, certify and show keys."""


@key.command()
@click.option("--out", type=NEW, required=True, help="File for the private key; its public key goes to FILE.pub.")
@click.option("--root", is_flag=True, help="Make a register's root instead, which certifies boards.")
@click.option("--dpo", "for_dpo", is_flag=True, help="Make the key of an FG instead, who examines the access log.")
@as_json
def identity(out: Path, root: bool, for_dpo: bool, as_json: bool) -> None:
    """Make a board's identity key. Keep the file offline: it signs the keys of the board's schools and its FG's."""
    from crypto.files import write_private

    if root and for_dpo:
        raise InputRefused("--root and --dpo make different keys: give one")
    from crypto.keyfile import PublicIdentity, print_identity, print_identity_public
    from crypto.keys import SignKey

    kind: SingleKind = "root" if root else "dpo" if for_dpo else "identity"
    made = SignKey.generate(kind)
    public = PublicIdentity(kind, made.public)
    beside = out.with_name(out.name + ".pub")
    write_private(beside, print_identity_public(public))
    try:
        write_private(out, print_identity(made, passphrase(out, new=True)))
    except BaseException:
        beside.unlink()
        raise
    told = {"type": public.kind, "public": str(beside), "fingerprint": public.fingerprint}
    answer(told, f"{beside}\nfingerprint {public.fingerprint}", as_json=as_json)


@key.command()
@click.option("--out", type=NEW, required=True, help="File for the private keys.")
@click.option("--public", "public_out", type=NEW, required=True, help="File for the public keys.")
@click.option("--school", help="The school: BRIN (vestiging 00), or BRIN and vestiging.")
@click.option("--identity", "identity_file", type=EXISTING, help="The board's identity key, which signs the new keys.")
@click.option("--previous", type=EXISTING, help="PUBFILE of the school's keys before these, which they replace.")
@as_json
def new(
    out: Path, public_out: Path, school: str | None, identity_file: Path | None, previous: Path | None, as_json: bool
) -> None:
    """Make the keys of a school.

    Without a school and an identity the keys belong to nobody yet: whoever is given the public file decides to trust
    it, after comparing its fingerprint, and the service refuses it.
    """
    from crypto.files import new_file, write_private
    from crypto.keyfile import KeyFile, print_private, print_public

    if (school is None) != (identity_file is None):
        raise InputRefused("--school and --identity go together: a board's identity signs for its school")
    keys = KeyFile.generate(None if school is None else school_code(school))
    if identity_file is not None:
        from handover.certifying import state_keys

        before = None if previous is None else read_public(previous)
        keys = state_keys(keys, read_identity(identity_file, "identity"), datetime.now(UTC), before)
    elif previous is not None:
        raise InputRefused("only keys of a school follow on others: --previous needs --school and --identity")
    with new_file(public_out) as public_file:
        public_file.write(print_public(keys.public))
        write_private(out, print_private(keys, passphrase(out, new=True)))
    told = {"school": keys.school, "public": str(public_out), "fingerprint": keys.public.fingerprint}
    answer(told, f"{public_out}\nfingerprint {keys.public.fingerprint}", as_json=as_json)
    if keys.school is None:
        remark(
            "these keys belong to no school: the receiver must compare the fingerprint, and the service refuses them"
        )


@key.command()
@click.argument("file", type=EXISTING)
@as_json
def show(file: Path, as_json: bool) -> None:
    """Show what a public or private key file says openly, whosever key it is. Asks no passphrase."""
    from crypto.keyfile import PublicFile, PublicIdentity

    public = read_any_public(file)
    if isinstance(public, PublicFile):
        _show_school(public, as_json=as_json)
        return
    kind = public.kind if isinstance(public, PublicIdentity) else "officer"
    told = {"type": kind, "fingerprint": public.fingerprint}
    answer(told, f"type        {kind}\nfingerprint {public.fingerprint}", as_json=as_json)


def _show_school(public: "PublicFile", *, as_json: bool) -> None:
    from crypto.encoding import b64
    from crypto.keys import kid

    kids = {kind: kid(kind, getattr(public, kind)) for kind in ("seal", "sign", "request")}
    told: dict[str, object] = {
        "school": public.school,
        "fingerprint": public.fingerprint,
        "kids": {kind: b64(name) for kind, name in kids.items()},
        "statements": len(public.statements),
    }
    lines = [f"school      {public.school or 'none: these keys belong to nobody yet'}"]
    lines += [f"fingerprint {public.fingerprint}", f"statements  {len(public.statements)}"]
    lines += [f"{kind:<11} {name.hex()}" for kind, name in kids.items()]
    answer(told, "\n".join(lines), as_json=as_json)


@key.command()
@click.option("--root", "root_file", type=EXISTING, required=True, help="The register's root key.")
@click.option("--identity", "identity_file", type=EXISTING, required=True, help="Public key of the board's identity.")
@click.option("--board", required=True, help="Its code: small letters, digits and dashes, such as de-linde.")
@click.option("--name", required=True, help="Name of the board.")
@click.option("--school", "schools", multiple=True, required=True, help="A school that the board speaks for.")
@click.option("--previous", type=EXISTING, help="The board's certificate before this one.")
@click.option("--out", type=NEW, required=True, help="File for the certificate.")
@as_json
def certify(
    root_file: Path,
    identity_file: Path,
    board: str,
    name: str,
    schools: tuple[str, ...],
    previous: Path | None,
    out: Path,
    as_json: bool,
) -> None:
    """Certify, as the register, that an identity speaks for a board and its schools."""
    from crypto.encoding import BOARD
    from crypto.files import write_private
    from crypto.keyfile import parse_identity_public
    from handover.certifying import certify_board

    if re.fullmatch(BOARD, board) is None:
        raise InputRefused("--board: a code of 2 to 40 small letters, digits and dashes, such as de-linde")
    identity = parse_identity_public(read_bytes(identity_file, KEYS_LIMIT))
    if identity.kind != "identity":
        raise InputRefused(f"{identity_file.name}: not the key of a board")
    before = None if previous is None else read_bytes(previous, KEYS_LIMIT)
    codes = tuple(map(school_code, schools))
    root = read_identity(root_file, "root")
    certificate = certify_board(root, identity.public, board, name, codes, datetime.now(UTC), before)
    write_private(out, certificate)
    answer({"board": board, "schools": codes, "out": str(out)}, f"{out}\nboard {board}", as_json=as_json)


@key.command()
@click.argument("file", type=EXISTING)
@click.option("--identity", "identity_file", type=EXISTING, required=True, help="The board's identity key.")
@click.option("--kind", type=click.Choice(["seal", "sign", "request"]), required=True, help="Which of the keys.")
@click.option("--to", "ends", type=click.Choice(["rotated", "revoked"]), required=True, help="What it is from now on.")
@click.option("--out", type=NEW, required=True, help="File for the statement, to be published.")
@as_json
def state(file: Path, identity_file: Path, kind: "Kind", ends: "State", out: Path, as_json: bool) -> None:
    """State that a key of a school has ended: rotated out, or revoked, which also undoes what it signed before.

    FILE is the school's key file, public or private, with all statements on its keys, as `key get` gives it.
    """
    from crypto.files import write_private
    from handover.certifying import end_key

    public = read_public(file)
    identity = read_identity(identity_file, "identity")
    write_private(out, end_key(public, kind, ends, identity, datetime.now(UTC)))
    told: dict[str, object] = {"school": public.school, "kind": kind, "state": ends, "out": str(out)}
    answer(told, f"{out}\n{kind} {ends}", as_json=as_json)


@key.command()
@click.argument("school")
@click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service.")
@click.option("--root", envvar="HANDOVER_ROOT", type=EXISTING, required=True, help="The trust file: root and logs.")
@click.option("--state", "folder", envvar="HANDOVER_STATE", type=FOLDER, required=True, help="The replica's folder.")
@click.option("--out", type=NEW, required=True, help="File for the public keys.")
@as_json
def get(school: str, origin: str, root: Path, folder: Path, out: Path, as_json: bool) -> None:
    """Get a school's current keys from the public key log, of which every entry is checked."""
    from crypto.files import write_private
    from crypto.keyfile import print_public
    from handover.client import PublicClient
    from handover.directory import refresh
    from handover.trust import read_trust

    with PublicClient(origin) as client:
        directory = refresh(client, read_trust(root), folder)
    public = directory.public_file(school_code(school), datetime.now(UTC))
    write_private(out, print_public(public))
    told: dict[str, object] = {"school": public.school, "out": str(out), "fingerprint": public.fingerprint}
    answer(told, f"{out}\nfingerprint {public.fingerprint}", as_json=as_json)


@key.command()
@click.argument("files", nargs=-1, type=EXISTING, required=True)
@click.option("--origin", envvar="HANDOVER_ORIGIN", required=True, help="Address of the service.")
@as_json
def publish(files: tuple[Path, ...], origin: str, as_json: bool) -> None:
    """Publish a board's certificate or its FG, a statement, or the statements in a key file, in the order given."""
    from handover.client import PublicClient

    with PublicClient(origin) as client:
        for file in files:
            _publish(client, file)
    names = [str(file) for file in files]
    answer({"published": names}, "\n".join(f"{name} published" for name in names), as_json=as_json)


def _publish(client: "PublicClient", file: Path) -> None:
    from crypto.encoding import canon, parse, record, text
    from crypto.statements import LIMIT, BoardCertificate, parse_statement
    from handover.answers import as_object

    data = read_bytes(file, KEYS_LIMIT)
    if data.startswith(b'{"dpo":'):
        said = record(parse(data, limit=LIMIT), "dpo", "signature")
        statement = as_object(said["dpo"])
        client.put_dpo(text(statement.get("board")), statement, text(said["signature"]))
        return
    statements = [parse(data, limit=LIMIT)] if b'"body"' in data[:16] else list(read_public(file).statements)
    first = parse_statement(canon(statements[0])).statement if statements else None
    if first is None:
        raise InputRefused(f"{file.name}: no statement is in it")
    if isinstance(first, BoardCertificate):
        client.put_board(statements[0])
    else:
        client.put_keys(first.school, statements)


key.add_command(dpo)
key.add_command(officer)
key.add_command(policy)
key.add_command(recovery)
key.add_command(rotate)
