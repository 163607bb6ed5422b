"""The second place on this floor: what a shipment holds, what it refuses, and which shipments follow on each other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from consent.db import Main, reading, writing
from consent.entry import Actor, Entry
from consent.errors import EpochKeyMissing, NotShipped, ShipmentRefused
from consent.journal import Journal
from consent.keystore import KeyStore
from consent.replay import chain, put_back
from consent.shipping import LEAF, Shipment, Shipping
from consent.slices import BOARD, PUPIL, branches, from_json, read, to_json
from consent.tables import JournalErasure, JournalLeaf, Pupil, Shipped, core
from crypto.encoding import b64
from tests.conftest import Databases
from tests.consent.test_journal import KEY, ORIGIN, START

SERVICE = Actor("service", "overdracht")


class Shelf:
    """A second place in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.broken = False

    def put(self, name: str, data: bytes) -> bool:
        if self.broken:
            raise OSError("full")
        if name in self.kept:
            return False
        self.kept[name] = data
        return True

    def get(self, name: str) -> bytes:
        return self.kept[name]

    def names(self) -> list[str]:
        return list(self.kept)

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)


class House:
    """A journal that ships."""

    def __init__(self, databases: Databases, folder: Path, *, ships: bool = True) -> None:
        self.databases = databases
        self.shelf = Shelf()
        self.keystore = KeyStore(databases.keys, folder, ships=ships)
        self.shipping = Shipping(databases.main, databases.keys, self.keystore, self.shelf, ORIGIN)
        self.journal = self.open(self.shipping.ship if ships else None)
        self.journal.initialise()

    def open(self, ship: Callable[[], None] | None) -> Journal:
        return Journal(self.databases.main, self.keystore, KEY, ORIGIN, lambda: START, ship)

    def pupil(self, name: str) -> None:
        self.keystore.new_key("pupil", name)
        with writing(self.databases.main) as session:
            session.add(Pupil(id=name, board="b-1", sealed=b"sealed"))

    def append(self, pupil: str | None = None) -> None:
        with self.journal.act(pupil=pupil) as act:
            act.append(Entry("ledger", 1, pupil, SERVICE, {"x": 1}, ("b-1",), numbered=pupil is not None))

    def shipments(self) -> list[Shipment]:
        return [self.shipping.read(number) for number in self.shipping.numbers()]


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    return House(databases, tmp_path / "epochs")


@pytest.fixture
def small(sqlite_databases: Databases, tmp_path: Path) -> House:
    """Give a house on SQLite alone, for what doesn't differ between the kinds."""
    return House(sqlite_databases, tmp_path / "epochs")


def test_each_act_is_one_shipment_with_its_entry_its_pupil_and_the_keys_it_needs(house: House) -> None:
    house.pupil("p-1")
    house.append("p-1")
    house.append("p-1")
    first, second = house.shipments()
    assert [(each.number, each.before, each.size) for each in (first, second)] == [(1, 0, 1), (2, 1, 2)]
    assert first.pupils["p-1"]["pupil"] == [
        {"id": "p-1", "version": 1, "board": "b-1", "sealed": b64(b"sealed"), "erased": False}
    ]
    assert [row["owner_id"] for row in first.keys["data_key"]] == ["p-1"]
    assert second.keys == {"data_key": [], "share": [], "lookup_hash": []}
    assert [row["idx"] for row in second.journal["journal_leaf"]] == [1]
    assert first.note.startswith(f"{ORIGIN}\n1\n")


def test_an_erasure_ships_what_is_left_of_the_entries_it_lists(house: House) -> None:
    """I1, J5."""
    house.pupil("p-1")
    house.append("p-1")
    with house.journal.act(pupil="p-1") as act:
        house.journal.erase(act, "p-1", SERVICE, ("b-1",))
    house.append()
    erasing = house.shipments()[1]
    parts = {row["idx"]: row for row in erasing.journal["journal_part"]}
    assert set(parts) == {0, 1}
    assert (parts[0]["subject"], parts[0]["terms"]) == (None, None)
    assert erasing.pupils["p-1"]["pupil"][0]["erased"] is True
    (destroyed,) = house.shipments()[2].keys["data_key"]
    assert destroyed["wrapped"] is None
    with reading(house.databases.main) as session:
        assert session.query(JournalErasure).count() == 0


def test_shares_and_look_ups_ship_as_they_are_now(small: House) -> None:
    small.keystore.put_shares("b-1", {"okr": bytes(32), "lvs": bytes(32)})
    small.keystore.remember("b-1", "12", "p-1")
    small.shipping.ship()
    small.keystore.drop_share("b-1", "okr")
    small.shipping.ship()
    small.shipping.ship()
    first, second = small.shipments()
    assert sorted(str(row["section"]) for row in first.keys["share"]) == ["lvs", "okr"]
    assert first.touched["lookup_hash"] == [row.hex() for row in hashes(first)]
    assert [row["section"] for row in second.keys["share"]] == ["lvs"]
    assert second.touched == {"data_key": [], "share": ["b-1"], "lookup_hash": []}


def hashes(shipment: Shipment) -> list[bytes]:
    from consent.tables import LookupHash

    return [from_json(core(LookupHash), row)["hash"] for row in shipment.keys["lookup_hash"]]


def test_nothing_is_acknowledged_while_the_second_place_is_broken(house: House) -> None:
    """K5: the act stands, the mark doesn't move, and the next act ships both."""
    house.append()
    house.shelf.broken = True
    with pytest.raises(NotShipped):
        house.append()
    mark = house.keystore.mark()
    assert mark is not None
    assert mark.size == 1
    house.shelf.broken = False
    house.append()
    assert [(each.before, each.size) for each in house.shipments()] == [(0, 1), (1, 3)]


def test_a_number_that_a_crash_left_taken_is_passed_over(small: House) -> None:
    small.append()
    small.shelf.kept["000000000002"] = small.shelf.kept["000000000001"]
    small.append()
    assert sorted(small.shelf.kept) == ["000000000001", "000000000002", "000000000003"]
    assert small.shipping.read(3).before == 1


def test_a_shipment_opens_under_its_own_number_and_epoch_alone(small: House, tmp_path: Path) -> None:
    """K1, J5: moved, altered, or of an ended epoch."""
    small.append()
    small.shelf.kept["000000000002"] = small.shelf.kept["000000000001"]
    with pytest.raises(ShipmentRefused, match="shipment 2 isn't this service's"):
        small.shipping.read(2)
    whole = small.shelf.kept["000000000001"]
    small.shelf.kept["000000000001"] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(ShipmentRefused):
        small.shipping.read(1)
    small.shelf.kept["000000000001"] = bytes(3) + b"\x09" + whole[4:]
    with pytest.raises(EpochKeyMissing):
        small.shipping.read(1)


@pytest.mark.parametrize("name", ["1", "00000000000x", "0000000000012"])
def test_what_is_no_shipment_in_the_second_place_is_refused(small: House, name: str) -> None:
    small.shelf.kept[name] = b""
    with pytest.raises(ShipmentRefused, match="isn't a shipment"):
        small.shipping.numbers()


def test_shipments_that_a_backup_holds_are_dropped(small: House) -> None:
    for _ in range(3):
        small.append()
    assert small.shipping.drop(2) == 2
    assert small.shipping.numbers() == [3]


def test_where_shipping_begins_later_what_came_before_is_left_to_a_backup(
    sqlite_databases: Databases, tmp_path: Path
) -> None:
    house = House(sqlite_databases, tmp_path / "epochs", ships=False)
    house.append()
    house.append()
    house.shipping.begin()
    house.journal = house.open(house.shipping.ship)
    house.append()
    (only,) = house.shipments()
    assert (only.number, only.before, only.size) == (1, 2, 3)
    house.shipping.begin()
    with reading(sqlite_databases.keys) as session:
        assert session.query(Shipped).one().size == 3


def shipment(number: int, before: int, size: int, leaf: str = "l") -> Shipment:
    rows = {LEAF.name: [{"idx": index, "leaf": f"{leaf}{index}"} for index in range(before, size)]}
    return Shipment(number, before, size, 0, "", rows, [], {}, {}, {}, {})


@pytest.mark.parametrize(
    ("shipments", "good", "fault"),
    [
        ([], 0, None),
        ([(4, 10, 11), (5, 11, 13)], 2, None),
        ([(4, 8, 11), (5, 8, 13)], 2, None),
        ([(4, 10, 10), (5, 10, 10)], 2, None),
        ([(4, 3, 5), (5, 5, 12)], 2, None),
        ([(4, 10, 11), (6, 11, 12)], 1, "shipment 5 is missing"),
        ([(4, 11, 12)], 0, "entries 10 to 10 were never shipped"),
        ([(4, 10, 12), (5, 10, 11)], 1, "shipment 5 is of another branch of the journal"),
        ([(4, 10, 12), (5, 11, 13, "other")], 1, "shipment 5 is of another branch of the journal"),
    ],
)
def test_shipments_follow_on_each_other_or_it_is_said_where_they_dont(
    shipments: list[tuple[int, int, int]], good: int, fault: str | None
) -> None:
    """K3, K8."""
    made = [shipment(*each) for each in shipments]
    assert chain(made, 10) == (made[:good], fault)


def test_an_entry_that_stands_otherwise_isnt_overwritten(small: House) -> None:
    small.append()
    (only,) = small.shipments()
    other = replace(only, journal={**only.journal, LEAF.name: [{**only.journal[LEAF.name][0], "leaf": b64(bytes(98))}]})
    with pytest.raises(ShipmentRefused, match="entry 0 is another one"), writing(small.databases.main) as session:
        put_back(session, [other], None)
    with reading(small.databases.main) as session:
        put_back(session, [], None)
        assert session.query(JournalLeaf).count() == 1


def test_a_slice_is_what_foreign_keys_lead_to(house: House) -> None:
    house.pupil("p-1")
    house.pupil("p-2")
    assert branches(Main.metadata, PUPIL)[0].table.name == "pupil"
    assert not {each.table for each in branches(Main.metadata, BOARD)} & {
        each.table for each in branches(Main.metadata, PUPIL)
    }
    with house.databases.main.connect() as connection:
        rows = read(connection, Main.metadata, PUPIL, "p-1")
    (row,) = rows["pupil"]
    assert to_json(core(Pupil), from_json(core(Pupil), row)) == row
    assert row["id"] == "p-1"
