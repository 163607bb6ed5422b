"""`handover key`: make, certify and show keys. Everything here works offline."""

from pathlib import Path

import click

from handover.cli.reading import read_public, school_code
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json, passphrase, remark


@click.group()
def key() -> None:
    """Make, certify and show keys."""


@key.command()
@click.option("--out", type=NEW, required=True, help="File for the private key; its public key goes to FILE.pub.")
@click.option("--root", is_flag=True, help="Make a register's root instead, which certifies boards.")
@as_json
def identity(out: Path, root: bool, as_json: bool) -> None:
    """Make a board's identity key. Keep the file offline: it signs the keys of the board's schools."""
    from crypto.files import write_private
    from crypto.keyfile import PublicIdentity, print_identity, print_identity_public
    from crypto.keys import SignKey

    made = SignKey.generate("root" if root else "identity")
    public = PublicIdentity("root" if root else "identity", made.public)
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
@as_json
def new(out: Path, public_out: Path, school: str | None, identity_file: Path | None, as_json: bool) -> None:
    """Make the keys of a school.

    Without a school and an identity the keys belong to nobody yet: whoever is given the public file decides to trust
    it, after comparing its fingerprint, and the service refuses it.
    """
    from crypto.files import new_file, write_private
    from crypto.keyfile import KeyFile, print_private, print_public

    if (school is None) != (identity_file is None):
        raise InputRefused("--school and --identity go together: a board's identity signs for its school")
    keys = KeyFile.generate(None if school is None else school_code(school))
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
    """Show what a public or private key file says openly. Asks no passphrase."""
    from crypto.encoding import b64
    from crypto.keys import kid

    public = read_public(file)
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
