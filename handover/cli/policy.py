"""`handover key policy`: a board's choice between consent and the law, signed by its identity."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent.fields import print_time
from consent.terms import Level, PolicyKind
from handover.cli.reading import read_identity
from handover.cli.terminal import EXISTING, NEW, answer, as_json

if TYPE_CHECKING:
    from crypto.encoding import Printable

LEVELS = [level.name.lower() for level in Level]


@click.command()
@click.option("--identity", type=EXISTING, required=True, help="The board's identity key.")
@click.option("--board", required=True, help="Code of the board.")
@click.option(
    "--policy",
    "kind",
    type=click.Choice(list(map(str, PolicyKind))),
    required=True,
    prompt="toestemming (consent for every section) or wettelijk (inzage for what the law sends)",
    help="What the board asks of a family before anything leaves.",
)
@click.option("--waiting-days", type=click.IntRange(0, 366), default=14, show_default=True, help="After inzage.")
@click.option("--consent-level", type=click.Choice(LEVELS), required=True, help="Sign-in that an ordinary yes needs.")
@click.option("--explicit-level", type=click.Choice(LEVELS), required=True, help="Sign-in that an explicit yes needs.")
@click.option("--out", type=NEW, required=True, help="File for the signed statement.")
@as_json
def policy(
    identity: Path,
    board: str,
    kind: str,
    waiting_days: int,
    consent_level: str,
    explicit_level: str,
    out: Path,
    as_json: bool,
) -> None:
    """Sign a board's policy. There is no default: nothing leaves a board that hasn't chosen.

    An invitation's token alone is the lowest level of sign-in: `low`.
    """
    from crypto.encoding import b64, canon
    from crypto.files import write_private
    from crypto.sign import sign

    statement: Printable = {
        "v": 1,
        "board": board,
        "policy": {
            "kind": kind,
            "waiting_days": waiting_days,
            "consent_level": int(Level[consent_level.upper()]),
            "explicit_level": int(Level[explicit_level.upper()]),
        },
        "made_at": print_time(datetime.now(UTC)),
    }
    signature = b64(sign(read_identity(identity, "identity"), "policy", canon(statement)))
    write_private(out, canon({"policy": statement, "signature": signature}))
    answer({"board": board, "policy": kind, "out": str(out)}, f"{out}\nboard {board}: {kind}", as_json=as_json)
