"""`handover audit certificate`: what an FG reads in a certificate of destruction, offline."""

from pathlib import Path

import click

from handover.cli.reading import read_bytes
from handover.cli.terminal import EXISTING, answer, as_json


@click.command()
@click.argument("file", type=EXISTING)
@click.option("--trust", required=True, type=EXISTING, envvar="HANDOVER_ROOT", help="The trust file of the register.")
@as_json
def certificate(file: Path, trust: Path, *, as_json: bool) -> None:
    """Verify a certificate of destruction, and say in Dutch and English what it shows.

    Nothing is asked of the service. Ends with 2 where it doesn't hold.
    """
    from handover.certificates import LIMIT, verify_certificate, words
    from handover.trust import read_trust

    said, checkpoint = verify_certificate(read_bytes(file, LIMIT), read_trust(trust))
    value = {
        "board": said.board,
        "epoch": said.epoch,
        "origin": said.origin,
        "size": checkpoint.size,
        "ended": said.ended.at,
        "destroyed": [{"index": e.index, "at": e.at, "what": e.what, "term": e.term} for e in said.destroyed],
    }
    answer(value, "\n".join(words(said, checkpoint)), as_json=as_json)
