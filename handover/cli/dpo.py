"""`handover key dpo`: who a board's FG is, signed by the board's identity."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handover.cli.reading import read_bytes, read_identity
from handover.cli.terminal import EXISTING, NEW, InputRefused, answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import Printable

LIFE = timedelta(days=2 * 365)


@click.command()
@click.option("--identity", type=EXISTING, required=True, help="The board's identity key.")
@click.option("--board", required=True, help="Code of the board.")
@click.option("--name", required=True, help="The board's own name for this FG, such as fg-1: never a person's name.")
@click.option("--public", "public_file", type=EXISTING, required=True, help="Public key of the FG, a FILE.pub.")
@click.option("--mail", help="Where reminders about the rights of families go.")
@click.option("--revoke", is_flag=True, help="Say that this key no longer examines anything.")
@click.option("--out", type=NEW, required=True, help="File for the signed statement.")
@as_json
def dpo(
    identity: Path,
    board: str,
    name: str,
    public_file: Path,
    mail: str | None,
    revoke: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Sign who a board's FG is: that key, made with `handover key identity --dpo`, examines the board's access log."""
    from consent.fields import print_time
    from crypto.encoding import b64, canon
    from crypto.files import write_private
    from crypto.keyfile import parse_identity_public
    from crypto.sign import sign

    key = parse_identity_public(read_bytes(public_file, 4096))
    if key.kind != "dpo":
        raise InputRefused(f"{public_file.name}: the key of a {key.kind}, where that of a dpo is needed")
    now = datetime.now(UTC)
    statement: Printable = {
        "v": 1,
        "board": board,
        "name": name,
        "public": b64(key.public),
        "mail": mail,
        "valid_until": print_time(now + LIFE),
        "state": "revoked" if revoke else "current",
        "made_at": print_time(now),
    }
    signature = b64(sign(read_identity(identity, "identity"), "dpo", canon(statement)))
    write_private(out, canon({"dpo": statement, "signature": signature}))
    told = {"board": board, "name": name, "out": str(out), "fingerprint": key.fingerprint}
    answer(told, f"{out}\nFG {name} of board {board}: fingerprint {key.fingerprint}", as_json=as_json)
