"""What is tried on a service: each case by its name. A value is altered by one bit, one character, or one."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from consent.db import Keys, reading
from consent.entry import PARTS, section_bits
from consent.tables import (
    BoardNumber,
    DataKey,
    JournalBoard,
    JournalCheckpoint,
    JournalHead,
    JournalLeaf,
    JournalLookup,
    JournalNode,
    JournalPart,
    Mark,
    Pupil,
    Share,
    core,
)
from crypto.keys import SignKey
from handover.accesslog import SERVICE, Did, record
from handover.idempotency import Once
from handover.parts import Caller
from handover.roles import Role
from handover.tables import Bundle, BundleSection, KeyLogEntry, Transfer
from handover.transfers import cancel
from tests.faults import owner
from tests.faults.finders import (
    NAME,
    OPEN,
    House,
)
from tests.faults.lived import Scene
from tests.handover.story import OTHER, PO, PO_TOO

Tried = Callable[[House, Scene], None]


def in_entry(of: type[Any], column: str, which: str) -> Tried:
    def tried(house: House, scene: Scene) -> None:
        owner.flip(house.main, of, column, core(of).c.idx == scene.at[which])

    return tried


def in_row(of: type[Any], column: str, key: str, fact: Callable[[Scene], Any]) -> Tried:
    def tried(house: House, scene: Scene) -> None:
        engine = house.keys if issubclass(of, Keys) else house.main
        owner.flip(engine, of, column, core(of).c[key] == fact(scene))

    return tried


def in_section(of: type[Any], column: str, key: str, fact: Callable[[Scene], Any]) -> Tried:
    def tried(house: House, scene: Scene) -> None:
        table, engine = core(of), house.keys if issubclass(of, Keys) else house.main
        owner.flip(engine, of, column, (table.c[key] == fact(scene)) & (table.c.section == OPEN))

    return tried


def on_board(column: str, which: str = "grant") -> Tried:
    def tried(house: House, scene: Scene) -> None:
        board = core(JournalBoard)
        owner.flip(house.main, JournalBoard, column, (board.c.idx == scene.at[which]) & (board.c.board == "po-noord"))

    return tried


def node(level: int, index: int) -> Tried:
    def tried(house: House, scene: Scene) -> None:
        table = core(JournalNode)
        owner.flip(house.main, JournalNode, "hash", (table.c.level == level) & (table.c.idx == index))

    return tried


def entry(work: Callable[[Any, int], None], which: str) -> Tried:
    return lambda house, scene: work(house.main, scene.at[which])


def row_out(of: type[Any], which: str) -> Tried:
    return lambda house, scene: owner.remove(house.main, of, core(of).c.idx == scene.at[which])


def withdrawal_unheard(house: House, scene: Scene) -> None:
    row_out(JournalLookup, "withdrawal")(house, scene)
    owner.forget_number(house.main, house.keys, scene.pupil)


def said_otherwise(house: House, scene: Scene) -> None:
    def change(terms: dict[str, Any]) -> None:
        terms["sections"] = terms["terms"]["sections"] = ["opp"]

    at = scene.at["withdrawal"]
    owner.say_otherwise(house.main, house.parts.keystore, NAME, at, change)
    for of in (JournalLookup, JournalBoard):
        owner.set_(house.main, of, core(of).c.idx == at, sections=section_bits(("opp",)))


def rebuilt(house: House, scene: Scene) -> None:
    said_otherwise(house, scene)
    owner.rebuild(house.main, NAME, scene.log_key, house.keys)


def cut(house: House, scene: Scene) -> None:
    owner.cut(house.main, scene.at["withdrawal"])
    owner.rebuild(house.main, NAME, scene.log_key)


def cut_everywhere(house: House, scene: Scene) -> None:
    owner.cut(house.main, scene.at["withdrawal"])
    owner.rebuild(house.main, NAME, scene.log_key, house.keys)
    owner.forget_number(house.main, house.keys, scene.pupil)


def forked(house: House, scene: Scene, *, longer: int = 0) -> None:
    """Go on from before the withdrawal with other entries, to as many as there were."""
    size = scene.at["last"] + 1
    cut_everywhere(house, scene)
    with house.parts.journal.act() as act:
        for number in range(scene.at["withdrawal"], size + longer):
            record(act, Did.SWEPT, SERVICE, outcome="granted", terms={"number": number}, boards=("po-noord",))


def forked_under_its_mark(house: House, scene: Scene) -> None:
    mark = core(Mark)
    with house.keys.connect() as connection:
        was = connection.execute(select(mark.c.size, mark.c.root)).one()
    forked(house, scene)
    owner.set_(house.keys, Mark, mark.c.id == 1, size=was.size, root=was.root)


def put_back(folder: str, *which: str) -> Tried:
    def tried(house: House, scene: Scene) -> None:
        house.main.dispose()
        house.keys.dispose()
        for name in which:
            shutil.copyfile(getattr(scene, folder) / f"{name}.sqlite", house.settings.home / f"{name}.sqlite")

    return tried


def signed_by_another(house: House, scene: Scene) -> None:
    owner.rebuild(house.main, NAME, SignKey.generate("journal"), house.keys)


def out_of_the_key_store(of: type[Any], key: str, fact: Callable[[Scene], Any]) -> Tried:
    return lambda house, scene: owner.remove(house.keys, of, core(of).c[key] == fact(scene))


def in_ciphertext(house: House, scene: Scene) -> None:
    section = core(BundleSection)
    wanted = select(section.c.object).where(section.c.bundle == scene.bundle.id, section.c.section == OPEN)
    with house.main.connect() as connection:
        path = Path(house.settings.blobs) / str(connection.scalar(wanted))
    path.write_bytes(owner.altered(path.read_bytes()))


def newest_out(board: str) -> Tried:
    """Take the newest three of a board's rows out."""

    def tried(house: House, scene: Scene) -> None:
        table = core(JournalBoard)
        with reading(house.main) as session:
            newest = session.scalars(select(func.max(table.c.number)).where(table.c.board == board)).one()
        owner.remove(house.main, JournalBoard, (table.c.board == board) & (table.c.number > newest - 3))

    return tried


def newest_out_and_forgotten(house: House, scene: Scene) -> None:
    newest_out("po-noord")(house, scene)
    number = core(BoardNumber)
    owner.set_(house.keys, BoardNumber, number.c.board == "po-noord", number=number.c.number - 3)


def board_number_raised(house: House, scene: Scene) -> None:
    number = core(BoardNumber)
    owner.set_(house.keys, BoardNumber, number.c.board == "po-noord", number=number.c.number + 1)


def number_on_board(house: House, scene: Scene) -> None:
    board = core(JournalBoard)
    owner.set_(house.main, JournalBoard, board.c.idx == scene.at["grant"], number=board.c.number + 1000)


def in_transfer(column: str, value: str) -> Tried:
    return lambda house, scene: owner.set_(
        house.main, Transfer, core(Transfer).c.id == scene.transfer, **{column: value}
    )


def key_log_cut(house: House, scene: Scene) -> None:
    owner.remove(house.main, KeyLogEntry, core(KeyLogEntry).c.idx == scene.at["keylog"])


def shown_to_a_new_school(house: House, scene: Scene) -> None:
    (house.elsewhere / "school" / "keylog.json").unlink()
    in_row(KeyLogEntry, "leaf", "idx", lambda scene: ONE)(house, scene)


def another_policy(house: House, scene: Scene) -> None:
    to = scene.at["another policy"]
    owner.set_(house.main, Transfer, core(Transfer).c.id == scene.transfer, policy=to)


def another_pupil(house: House, scene: Scene) -> None:
    with reading(house.main) as session:
        others = select(Pupil.id).where(Pupil.id != scene.pupil, Pupil.erased.is_(False)).order_by(Pupil.id)
        to = session.scalars(others).first()
    owner.set_(house.main, Transfer, core(Transfer).c.id == scene.transfer, pupil=to)


def cancellation_taken_back(house: House, scene: Scene) -> None:
    """Let the sender cancel, and write into the row that it didn't."""
    sender = Caller(PO, "po-noord", "s-1", Role.PRINCIPAL)
    cancel(house.parts, sender, Once(PO, "cancel", "k" * 16, bytes(32)), scene.transfer)
    owner.set_(house.main, Transfer, core(Transfer).c.id == scene.transfer, cancelled_at=None)


def transfer_of(scene: Scene) -> str:
    return scene.transfer


def pupil_of(scene: Scene) -> str:
    return scene.pupil


def bundle_of(scene: Scene) -> str:
    return scene.bundle.id


def store_of(scene: Scene) -> str:
    return scene.bundle.store


def number_raised(house: House, scene: Scene) -> None:
    key = core(DataKey)
    owner.set_(house.keys, DataKey, key.c.owner_id == scene.pupil, number=key.c.number + 1)


ONE = 1
CASES: dict[str, Tried] = {
    # one byte of an entry
    **{f"leaf of {which}": in_entry(JournalLeaf, "leaf", which) for which in ("grant", "another's", "nobody's")},
    **{f"hash of {which}": in_entry(JournalLeaf, "hash", which) for which in ("grant", "another's", "nobody's")},
    **{f"{part} of grant": in_entry(JournalPart, part, "grant") for part in PARTS},
    **{f"{part} of nobody's": in_entry(JournalPart, part, "nobody's") for part in PARTS},
    "terms of another's": in_entry(JournalPart, "terms", "another's"),
    "actor of application": in_entry(JournalPart, "actor", "application"),
    "terms of erasure": in_entry(JournalPart, "terms", "erasure"),
    **{
        f"look-up's {column} of grant": in_entry(JournalLookup, column, "grant")
        for column in ("book", "type", "day", "sections", "number", "pupil_tag")
    },
    "look-up's school of application": in_entry(JournalLookup, "school", "application"),
    "look-up's actor_tag of application": in_entry(JournalLookup, "actor_tag", "application"),
    "look-up's outcome of nobody's": in_entry(JournalLookup, "outcome", "nobody's"),
    **{f"board's {column} of grant": on_board(column) for column in ("type", "day", "sections", "sees")},
    "board's number of grant": number_on_board,
    "board's pupil_tag of grant": on_board("pupil_tag"),
    "board's actor_tag of application": on_board("actor_tag", "application"),
    "board's outcome of nobody's": on_board("outcome", "nobody's"),
    # one byte of the tree
    "node": node(8, 0),
    "head's size": in_row(JournalHead, "size", "id", lambda scene: 1),
    "head's frontier": in_row(JournalHead, "frontier", "id", lambda scene: 1),
    "head's checkpoint": in_row(JournalHead, "checkpoint", "id", lambda scene: 1),
    "kept checkpoint": in_row(JournalCheckpoint, "note", "size", lambda scene: 256),
    # whole entries
    **{
        f"{which} taken out": entry(owner.take_out, which) for which in ("grant", "withdrawal", "another's", "nobody's")
    },
    "grant taken out, the rest moved up": entry(owner.close_up, "grant"),
    "nobody's taken out, the rest moved up": entry(owner.close_up, "nobody's"),
    "last taken out": entry(owner.take_out, "last"),
    "grant put in twice": entry(owner.repeat, "grant"),
    "nobody's put in twice": entry(owner.repeat, "nobody's"),
    "grant and withdrawal swapped": entry(owner.swap, "grant"),
    "nobody's and the next swapped": entry(owner.swap, "nobody's"),
    **{f"look-up of {which} taken out": row_out(JournalLookup, which) for which in ("grant", "withdrawal", "policy")},
    "look-up of withdrawal taken out and number set back": withdrawal_unheard,
    "parts of grant taken out": row_out(JournalPart, "grant"),
    "board's row of grant taken out": row_out(JournalBoard, "grant"),
    "board's row of last taken out": row_out(JournalBoard, "last"),
    "board's newest rows taken out": newest_out("po-noord"),
    "board's newest rows taken out and number set back": newest_out_and_forgotten,
    "receiver's board's newest rows taken out": newest_out("vo-zuid"),
    # with the log's own key
    "withdrawal said otherwise": said_otherwise,
    "withdrawal said otherwise and all rebuilt": rebuilt,
    "tail cut": cut,
    "tail cut in both databases": cut_everywhere,
    "forked below the mark": forked_under_its_mark,
    "forked in both databases": forked,
    "forked and longer": partial(forked, longer=3),
    "signed with another key": signed_by_another,
    # put back
    "main database put back to before the withdrawal": put_back("early", "main"),
    "main database put back to after it": put_back("late", "main"),
    "both put back to before the withdrawal": put_back("early", "main", "keys"),
    "both put back to after it": put_back("late", "main", "keys"),
    "key store put back to the beginning": put_back("empty", "keys"),
    # bundle and transfer
    **{
        f"bundle's {column}": in_row(Bundle, column, "id", bundle_of)
        for column in ("manifest", "signatures", "store", "to_kid")
    },
    "object's name": in_section(BundleSection, "object", "bundle", bundle_of),
    "ciphertext": in_ciphertext,
    **{
        f"transfer's {column}": in_transfer(column, value)
        for column, value in (("sender", PO_TOO), ("receiver", OTHER), ("purpose", "support"), ("route", "POPO"))
    },
    "transfer's pupil": another_pupil,
    "transfer's policy": another_policy,
    "transfer's cancellation": cancellation_taken_back,
    "key log's newest entry taken out": key_log_cut,
    "key log's leaf": in_row(KeyLogEntry, "leaf", "idx", lambda scene: ONE),
    "key log's leaf, shown to a new school": shown_to_a_new_school,
    "key log's newest checkpoint": in_row(KeyLogEntry, "checkpoint", "idx", lambda scene: scene.at["keylog"]),
    # the key store
    "share": in_section(Share, "wrapped", "bundle", store_of),
    "share taken out": out_of_the_key_store(Share, "bundle", store_of),
    "pupil's key": in_row(DataKey, "wrapped", "owner_id", pupil_of),
    "pupil's key taken out": out_of_the_key_store(DataKey, "owner_id", pupil_of),
    "pupil's tag": in_row(DataKey, "tag", "owner_id", pupil_of),
    "pupil's number raised": number_raised,
    "board's number raised": board_number_raised,
    "mark's root": in_row(Mark, "root", "id", lambda scene: ONE),
    "mark's size": in_row(Mark, "size", "id", lambda scene: ONE),
    "mark taken out": out_of_the_key_store(Mark, "id", lambda scene: ONE),
}
