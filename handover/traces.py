"""What tells how far a journal had come, and what it was called, wherever that stands when it has to be put back.

A key store's mark, a head and what froze a service tell of sizes; checkpoints that people kept tell of both. What an
earlier try of the same restore wrote down goes before all that it can have changed.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from consent.db import reading
from consent.keystore import KeyStore
from consent.shipping import Shipping
from consent.tables import Freeze, JournalHead, Mark
from crypto.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from crypto.errors import CheckpointRefused
from handover.admin import TRUST
from handover.parts import EPOCHS, journal_name, read_log_key
from handover.settings import Settings
from handover.unfinished import Known, begun


def sizes(settings: Settings, main: Engine, keys: Engine, kept: Iterable[bytes]) -> Iterable[Known]:
    """Gather what is known of the journal's size. A database that can't be read says nothing."""
    yield from of_notes(settings, kept)
    with suppress(SQLAlchemyError), reading(keys) as session:
        mark = session.scalars(select(Mark)).one_or_none()
        yield from of_notes(settings, session.scalars(select(Freeze.note)), "what froze the service")
        if mark is not None:
            yield Known(mark.size, mark.root, "the mark of the key store")
    with suppress(SQLAlchemyError), reading(main) as session:
        yield from of_notes(settings, session.scalars(select(JournalHead.checkpoint)), "the journal that is replaced")


def of_notes(settings: Settings, notes: Iterable[bytes], source: str = "a checkpoint that was kept") -> Iterable[Known]:
    """Give what checkpoints of this log say; others say nothing."""
    return (Known(each.size, each.root, source) for each in _checkpoints(settings, notes))


def names(settings: Settings, main: Engine, shipping: Shipping | None, notes: Iterable[bytes]) -> tuple[str, ...]:
    """Name everything that the log is known to have been called, by these notes and others: no name is given twice.

    What stands here is asked only when the first try begins. From then on it is what that try made of it.
    """
    found = {each.origin for each in _checkpoints(settings, notes)}
    before = begun(settings)
    if before is not None:
        return tuple(sorted(found | set(before.names)))
    with suppress(SQLAlchemyError), reading(main) as session:
        found |= {each.origin for each in _checkpoints(settings, session.scalars(select(JournalHead.checkpoint)))}
    if shipping is not None:
        found |= {f"{journal_name(settings)}-{number}" for number in shipping.given_up()}
    with suppress(FileNotFoundError):
        lines = (settings.home / TRUST).read_text("utf-8").splitlines()
        found |= {name for line in lines if _is_one(settings, name := line.partition("+")[0])}
    return tuple(sorted(found))


def numbers(settings: Settings, keys: Engine, before: Mapping[str, int]) -> dict[str, int]:
    """Tell how far each board's numbers had come, as an earlier try found it, and the key store that is replaced."""
    found = dict(before)
    with suppress(SQLAlchemyError):
        for board, said in KeyStore(keys, settings.keys / EPOCHS).of_boards().items():
            found[board] = max(said.number, found.get(board, 0))
    return found


def _checkpoints(settings: Settings, notes: Iterable[bytes]) -> Iterable[Checkpoint]:
    public = read_log_key(settings.keys).public
    for note in notes:
        with suppress(CheckpointRefused):
            origin = parse_checkpoint(note).origin
            if _is_one(settings, origin):
                yield verify_checkpoint(note, origin, public)


def _is_one(settings: Settings, name: str) -> bool:
    """Tell whether this service's journal is or was called so, under any number."""
    return re.fullmatch(rf"{re.escape(journal_name(settings))}(-[1-9][0-9]{{0,8}})?", name) is not None
