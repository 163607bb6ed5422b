"""The key store: sealed values, destroyed keys, shares, look-ups, the mark, and the turning of epochs (K4, B10)."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from consent.db import reading, writing
from consent.epochs import create_key, path_of, read_key
from consent.errors import Destroyed, EpochKeyMissing, KeyStoreError, KeyUnknown, ValueRefused
from consent.keystore import KeyStore
from consent.marks import HighWater, Numbers, OfBoard
from consent.tables import DataKey, Epoch, LookupHash, Mark, Share
from tests.conftest import Databases

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMPTY = bytes(32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "epochs"


@pytest.fixture
def store(databases: Databases, folder: Path) -> KeyStore:
    store = KeyStore(databases.keys, folder)
    store.initialise(EMPTY)
    return store


def test_what_is_sealed_for_an_owner_opens_again(store: KeyStore) -> None:
    store.new_key("pupil", "p1")
    sealed = store.seal("pupil", "p1", b"Noor", b"first name")
    assert b"Noor" not in sealed
    assert store.open("pupil", "p1", sealed, b"first name") == b"Noor"


def test_sealing_twice_gives_two_ciphertexts(store: KeyStore) -> None:
    store.new_key("pupil", "p1")
    assert store.seal("pupil", "p1", b"x", b"") != store.seal("pupil", "p1", b"x", b"")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
        lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
        lambda sealed: sealed[:11],
        lambda sealed: b"",
    ],
)
def test_a_sealed_value_that_was_altered_is_refused(store: KeyStore, spoil: object) -> None:
    assert callable(spoil)
    store.new_key("pupil", "p1")
    with pytest.raises(ValueRefused, match="a sealed value doesn't open"):
        store.open("pupil", "p1", spoil(store.seal("pupil", "p1", b"Noor", b"here")), b"here")


def test_a_sealed_value_opens_in_its_own_place_and_for_its_own_owner_only(store: KeyStore) -> None:
    store.new_key("pupil", "p1")
    store.new_key("pupil", "p2")
    sealed = store.seal("pupil", "p1", b"Noor", b"here")
    for owner, place in (("p1", b"there"), ("p2", b"here")):
        with pytest.raises(ValueRefused):
            store.open("pupil", owner, sealed, place)


def test_a_key_is_made_once(store: KeyStore) -> None:
    made = store.new_key("pupil", "p1")
    assert store.new_key("pupil", "p1") == made
    assert store.key("pupil", "p1") == made.key
    assert len(made.key) == 32


def test_each_owner_and_each_kind_has_its_own_key_and_tag(store: KeyStore) -> None:
    owners = [store.new_key(*owner) for owner in (("pupil", "1"), ("pupil", "2"), ("person", "1"))]
    assert len({owner.key for owner in owners}) == len({owner.tag for owner in owners}) == 3
    assert store.tag("pupil", "2") == owners[1].tag


def test_owners_are_found_by_their_tags_with_one_query(store: KeyStore) -> None:
    one, two = store.new_key("pupil", "1"), store.new_key("person", "1")
    assert store.by_tags([one.tag, two.tag, bytes(32)]) == {one.tag: one, two.tag: two}


def test_a_key_does_not_show_in_print(store: KeyStore) -> None:
    made = store.new_key("pupil", "p1")
    assert made.key.hex() not in repr(made)
    assert repr(made.key) not in repr(made)


def test_an_owner_nobody_knows_has_no_key(store: KeyStore) -> None:
    with pytest.raises(KeyUnknown, match="no key for this pupil"):
        store.key("pupil", "p9")


def test_a_destroyed_key_says_so_and_is_never_made_again(store: KeyStore) -> None:
    made = store.new_key("pupil", "p1")
    sealed = made.seal(b"Noor", b"")
    assert store.destroy(made.id) == 1
    assert store.destroy(made.id) == 1
    for attempt in (
        lambda: store.key("pupil", "p1"),
        lambda: store.new_key("pupil", "p1"),
        lambda: store.open("pupil", "p1", sealed, b""),
    ):
        with pytest.raises(Destroyed):
            attempt()
    assert store.by_tags([made.tag]) == {}


def test_destroying_a_key_takes_its_look_ups_along_and_no_others(store: KeyStore) -> None:
    made = store.new_key("pupil", "p1")
    store.new_key("pupil", "p2")
    store.remember("board-a", "leerling:1", "p1")
    store.remember("board-a", "leerling:2", "p2")
    store.destroy(made.id)
    assert store.find("board-a", "leerling:1") is None
    assert store.find("board-a", "leerling:2") == "p2"


def test_a_value_is_found_under_its_own_board_only(store: KeyStore) -> None:
    assert store.find("board-a", "1") is None
    assert store.remember("board-a", "1", "p1") == "p1"
    assert store.remember("board-a", "1", "p2") == "p1"
    assert store.remember("board-b", "1", "p3") == "p3"
    assert store.find("board-a", "1") == "p1"
    assert store.find("board-b", "1") == "p3"
    assert store.find("board-a", "2") is None


def test_a_look_up_holds_no_value(store: KeyStore, databases: Databases) -> None:
    store.remember("board-a", "canary-31", "p1")
    with reading(databases.keys) as session:
        (found,) = session.scalars(select(LookupHash))
    assert len(found.hash) == 32
    assert b"canary-31" not in found.hash


def test_shares_come_back_by_section_and_go_one_by_one(store: KeyStore) -> None:
    shares = {"okr": b"a" * 32, "lvs": b"b" * 32, "opp": b"c" * 32}
    store.put_shares("b1", shares)
    store.put_shares("b2", {"okr": b"d" * 32})
    assert store.shares("b1") == shares
    assert store.drop_share("b1", "lvs") == 1
    assert store.shares("b1") == {"okr": b"a" * 32, "opp": b"c" * 32}
    store.drop_share("b1")
    assert store.shares("b1") == {}
    assert store.shares("b2") == {"okr": b"d" * 32}


def test_a_share_can_not_be_replaced_and_then_none_of_its_bundle_is_kept(store: KeyStore) -> None:
    store.put_shares("b1", {"okr": b"a" * 32})
    with pytest.raises(Exception, match="share"):
        store.put_shares("b1", {"lvs": b"x" * 32, "okr": b"b" * 32})
    assert store.shares("b1") == {"okr": b"a" * 32}


def test_a_share_moved_to_another_section_is_refused(store: KeyStore, databases: Databases) -> None:
    store.put_shares("b1", {"okr": b"a" * 32})
    with writing(databases.keys) as session:
        session.execute(update(Share).values(section="reports"))
    with pytest.raises(ValueRefused):
        store.shares("b1")


def test_a_wrapped_key_put_in_another_owners_row_is_refused(store: KeyStore, databases: Databases) -> None:
    store.new_key("pupil", "p1")
    store.new_key("pupil", "p2")
    with writing(databases.keys) as session:
        first = session.scalar(select(DataKey.wrapped).filter_by(owner_id="p1"))
        session.execute(update(DataKey).filter_by(owner_id="p2").values(wrapped=first))
    with pytest.raises(ValueRefused):
        store.key("pupil", "p2")


def test_the_mark_and_the_running_numbers_only_rise(store: KeyStore) -> None:
    store.new_key("pupil", "p1")
    store.new_key("pupil", "p2")
    assert store.mark() == HighWater(0, EMPTY)
    assert store.raise_mark(5, b"5" * 32, Numbers({"p1": 3, "p2": 1}, {"b1": 4, "b2": 1}))
    assert store.raise_mark(4, b"4" * 32, Numbers({"p1": 2}, {"b1": 3, "b2": 1}))
    assert store.mark() == HighWater(5, b"5" * 32)
    assert store.raise_mark(5, b"6" * 32)
    assert store.mark() == HighWater(5, b"5" * 32)
    assert (store.owner("pupil", "p1").number, store.owner("pupil", "p2").number) == (3, 1)
    assert store.of_boards() == {"b1": OfBoard(4, None), "b2": OfBoard(1, None)}
    assert store.raise_mark(6, b"6" * 32, Numbers({"p1": 4}, {"b1": 5, "b3": 1}), since=5)
    assert (store.mark(), store.owner("pupil", "p1").number) == (HighWater(6, b"6" * 32), 4)
    assert store.of_boards(["b3", "b1", "b4"]) == {"b1": OfBoard(5, None), "b3": OfBoard(1, None)}


def test_the_mark_never_passes_entries_of_which_the_numbers_were_not_raised(store: KeyStore) -> None:
    store.new_key("pupil", "p1")
    assert store.raise_mark(5, b"5" * 32)
    assert not store.raise_mark(8, b"8" * 32, Numbers({"p1": 2}, {"b1": 2}), since=6)
    assert store.mark() == HighWater(5, b"5" * 32)
    assert (store.owner("pupil", "p1").number, store.of_boards()) == (0, {})


def test_what_is_missing_of_a_board_is_remembered_as_one_range(store: KeyStore) -> None:
    store.raise_mark(9, b"9" * 32, Numbers(boards={"b1": 9, "b2": 4}))
    for first, last in ((4, 6), (5, 5), (8, 9), (3, 3)):
        store.note_lost("b1", first, last)
    assert store.of_boards() == {"b1": OfBoard(9, (3, 9)), "b2": OfBoard(4, None)}


def test_a_store_without_a_mark_acknowledges_nothing(store: KeyStore, databases: Databases) -> None:
    with writing(databases.keys) as session:
        session.execute(delete(Mark))
    with pytest.raises(KeyStoreError, match="no mark"):
        store.raise_mark(5, b"5" * 32)


def test_settling_raises_the_numbers_of_a_whole_journal(store: KeyStore) -> None:
    tags = [store.new_key("pupil", pupil).tag for pupil in ("p1", "p2")]
    store.raise_mark(9, b"9" * 32, Numbers({"p1": 5}, {"b1": 9}))
    store.settle_numbers([(tags[0], 4), (tags[1], 3), (bytes(32), 7)], {"b1": 8, "b2": 2})
    assert (store.owner("pupil", "p1").number, store.owner("pupil", "p2").number) == (5, 3)
    assert store.of_boards() == {"b1": OfBoard(9, None), "b2": OfBoard(2, None)}


def test_a_key_that_is_damaged_is_not_among_those_that_open(store: KeyStore, databases: Databases) -> None:
    one, two = store.new_key("pupil", "p1"), store.new_key("pupil", "p2")
    with writing(databases.keys) as session:
        session.execute(update(DataKey).where(DataKey.id == one.id).values(wrapped=bytes(60)))
    assert store.by_tags([one.tag, two.tag]) == {two.tag: two}
    with writing(databases.keys) as session:
        session.execute(update(DataKey).where(DataKey.id == two.id).values(wrapped=None))
    assert store.by_tags([one.tag, two.tag]) == {}


def test_a_destroyed_pupil_keeps_no_running_number(store: KeyStore, databases: Databases) -> None:
    made = store.new_key("pupil", "p1")
    store.destroy(made.id)
    store.raise_mark(1, b"1" * 32, Numbers({"p1": 7}))
    with reading(databases.keys) as session:
        assert session.scalar(select(DataKey.number)) == 0


def test_a_store_that_was_never_initialised_makes_no_keys(databases: Databases, folder: Path) -> None:
    store = KeyStore(databases.keys, folder)
    assert store.mark() is None
    with pytest.raises(KeyStoreError, match="the key store was never initialised"):
        store.new_key("pupil", "p1")
    assert not folder.exists()


def test_a_store_is_initialised_once(store: KeyStore, folder: Path) -> None:
    before = read_key(folder, 1)
    with pytest.raises(KeyStoreError, match="the key store is initialised already"):
        store.initialise(EMPTY)
    assert read_key(folder, 1) == before


def test_an_epoch_key_is_a_private_file_of_32_bytes_in_a_private_folder(store: KeyStore, folder: Path) -> None:
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [("epoch-00000001.key", 0o600)]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(read_key(folder, 1)) == 32


def test_a_missing_epoch_key_is_an_error_and_never_reads_as_destroyed(store: KeyStore, folder: Path) -> None:
    store.new_key("pupil", "p1")
    store.put_shares("b1", {"okr": b"a" * 32})
    path_of(folder, 1).rename(folder / "elsewhere")
    for attempt in (
        lambda: store.key("pupil", "p1"),
        lambda: store.shares("b1"),
        lambda: store.new_key("pupil", "p2"),
        lambda: store.put_shares("b2", {"okr": b"a" * 32}),
    ):
        with pytest.raises(EpochKeyMissing, match="key of epoch 1: the file can't be read") as missing:
            attempt()
        assert missing.value.epoch == 1


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_an_epoch_key_of_another_size_is_refused(folder: Path, content: bytes) -> None:
    create_key(folder, ())
    path_of(folder, 1).write_bytes(content)
    with pytest.raises(EpochKeyMissing, match="the file has another size"):
        read_key(folder, 1)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610])
def test_an_epoch_key_that_others_may_open_is_refused(folder: Path, mode: int) -> None:
    create_key(folder, ())
    path_of(folder, 1).chmod(mode)
    with pytest.raises(EpochKeyMissing, match="the file is open to others"):
        read_key(folder, 1)


def test_the_wrong_epoch_key_opens_nothing(store: KeyStore, folder: Path) -> None:
    store.new_key("pupil", "p1")
    path_of(folder, 1).write_bytes(bytes(32))
    with pytest.raises(ValueRefused):
        store.key("pupil", "p1")


def test_a_rotation_that_crashed_before_its_commit_is_made_again_under_the_next_number(
    store: KeyStore, folder: Path
) -> None:
    path_of(folder, 2).write_bytes(b"left over")
    assert store.rotate() == 3
    store.new_key("pupil", "p1")
    assert path_of(folder, 2).read_bytes() == b"left over"
    assert len(read_key(folder, 3)) == 32
    assert store.key("pupil", "p1")


def test_turning_the_epoch_of_an_older_copy_takes_no_key_of_a_later_epoch_away(
    store: KeyStore, databases: Databases, folder: Path
) -> None:
    """The operator put last week's key store back by hand; what was backed up and shipped since still opens."""
    for _ in range(2):
        store.rotate()
    with writing(databases.keys) as session:
        sealed = store.seal_now(session, b"since then", b"")
    later = {number: read_key(folder, number) for number in (2, 3)}
    with writing(databases.keys) as session:
        session.execute(delete(Epoch).where(Epoch.number > 1))
        session.execute(update(Epoch).values(current=True))
    assert store.rotate() == 4
    assert {number: read_key(folder, number) for number in (2, 3)} == later
    assert store.open_then(sealed, b"") == b"since then"


def test_a_new_epoch_is_above_every_epoch_that_the_store_knows(
    store: KeyStore, databases: Databases, folder: Path
) -> None:
    """Shipments name epochs whose keys have gone: their numbers aren't given again either."""
    with writing(databases.keys) as session:
        session.add(Epoch(number=7, current=False, destroyed=True))
    assert store.rotate() == 8
    assert not path_of(folder, 7).exists()


def test_a_store_that_begins_beside_older_keys_leaves_them(databases: Databases, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    path_of(folder, 4).write_bytes(b"another store's")
    (folder / "epoch-9 (copy).key").write_bytes(b"somebody's copy")
    store = KeyStore(databases.keys, folder)
    store.initialise(EMPTY)
    assert path_of(folder, 4).read_bytes() == b"another store's"
    store.new_key("pupil", "p1")
    assert len(read_key(folder, 5)) == 32
    assert store.rotate() == 6


def test_a_store_that_was_never_initialised_turns_no_epoch(databases: Databases, folder: Path) -> None:
    with pytest.raises(KeyStoreError, match="the key store was never initialised"):
        KeyStore(databases.keys, folder).rotate()
    assert not folder.exists()


def test_an_epoch_turns_without_losing_what_survives_or_keeping_what_was_destroyed(
    store: KeyStore, databases: Databases, folder: Path, tmp_path: Path
) -> None:
    keys = {name: store.new_key("pupil", name).key for name in ("p1", "p2", "p3")}
    doomed = store.new_key("pupil", "gone")
    store.put_shares("b1", {"okr": b"a" * 32, "lvs": b"b" * 32})
    with reading(databases.keys) as session:
        backup = session.scalar(select(DataKey.wrapped).filter_by(owner_id="gone"))
    assert backup is not None
    old = read_key(folder, 1)

    store.destroy(doomed.id)
    store.drop_share("b1", "lvs")
    assert store.rotate() == 2
    later = store.new_key("pupil", "p4").key
    assert store.confirm_backup(NOW + timedelta(days=1)) == ()  # not a row moved yet
    assert [store.rewrap(NOW, 2) for _ in range(5)] == [2, 2, 1, 0, 0]
    assert store.confirm_backup(NOW) == ()  # begun too early to hold the last row
    assert path_of(folder, 1).exists()
    assert store.confirm_backup(NOW + timedelta(microseconds=1)) == (1,)
    assert store.confirm_backup(NOW + timedelta(days=1)) == ()

    assert not path_of(folder, 1).exists()
    assert {name: store.key("pupil", name) for name in keys} == keys
    assert store.key("pupil", "p4") == later
    assert store.shares("b1") == {"okr": b"a" * 32}
    assert old not in b"".join(path.read_bytes() for path in folder.iterdir())
    with reading(databases.keys) as session:
        assert set(session.scalars(select(DataKey.epoch))) == {2}
        assert [
            tuple(row)
            for row in session.execute(select(Epoch.number, Epoch.current, Epoch.destroyed).order_by(Epoch.number))
        ] == [
            (1, False, True),
            (2, True, False),
        ]
    with pytest.raises(Destroyed):
        store.key("pupil", "gone")


def test_destroying_an_epoch_key_again_after_a_crash_goes_on(store: KeyStore, folder: Path) -> None:
    store.rotate()
    store.rewrap(NOW)
    path_of(folder, 1).unlink()
    assert store.confirm_backup(NOW + timedelta(seconds=1)) == (1,)


def test_a_row_that_was_wrapped_again_while_it_was_read_is_read_once_more(
    sqlite_databases: Databases, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(sqlite_databases.keys, folder)
    store.initialise(EMPTY)
    key = store.new_key("pupil", "p1").key
    read = KeyStore._epoch_key
    turned: list[int] = []

    def turn_first(self: KeyStore, epoch: int) -> bytes:
        if not turned:
            turned.append(epoch)
            store.rotate()
            while store.rewrap(NOW):
                pass
            store.confirm_backup(NOW + timedelta(seconds=1))
        return read(self, epoch)

    monkeypatch.setattr(KeyStore, "_epoch_key", turn_first)
    assert store.key("pupil", "p1") == key
    assert turned == [1]


def test_what_was_deleted_is_gone_from_sqlites_files_after_a_sweep(
    sqlite_databases: Databases, folder: Path, tmp_path: Path
) -> None:
    store = KeyStore(sqlite_databases.keys, folder)
    store.initialise(EMPTY)
    store.put_shares("b1", {"okr": b"a" * 32})
    with reading(sqlite_databases.keys) as session:
        (wrapped,) = session.scalars(select(Share.wrapped))
    store.drop_share("b1")
    store.truncate()
    files = [path for path in tmp_path.iterdir() if path.name.startswith("keys.sqlite")]
    assert all(wrapped not in path.read_bytes() for path in files)
    assert (tmp_path / "keys.sqlite-wal").stat().st_size == 0


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.binary(max_size=200),
    aad=st.binary(max_size=20),
    turns=st.lists(st.sampled_from(["rotate", "rewrap", "confirm"]), max_size=6),
)
def test_no_turning_of_epochs_loses_a_value(
    sqlite_databases: Databases, tmp_path: Path, value: bytes, aad: bytes, turns: list[str]
) -> None:
    folder = tmp_path / "turning"
    shutil.rmtree(folder, ignore_errors=True)
    with writing(sqlite_databases.keys) as session:
        for table in ("data_key", "epoch", "mark"):
            session.execute(text(f"DELETE FROM {table}"))
    store = KeyStore(sqlite_databases.keys, folder)
    store.initialise(EMPTY)
    store.new_key("pupil", "p1")
    sealed = store.seal("pupil", "p1", value, aad)
    for hour, turn in enumerate(turns):
        now = NOW + timedelta(hours=hour)
        if turn == "rotate":
            store.rotate()
        elif turn == "rewrap":
            store.rewrap(now)
        else:
            store.confirm_backup(now)
    assert store.open("pupil", "p1", sealed, aad) == value
    assert len(os.listdir(folder)) >= 1
