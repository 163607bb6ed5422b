"""The second place and the ciphertext in S3, on a real server: what a folder does, it does too."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from handover.backup import confirm
from handover.blobs import PART, Blobs
from handover.release import Released, Withheld, hand_out
from handover.restoring import RestoreRefused
from handover.second import Second
from tests.conftest import Databases
from tests.faults.disaster import Service
from tests.faults.s3 import Server
from tests.faults.story import granted_file, ready_file
from tests.faults.test_restore import approvals, asks, held, kept_note, restate, withdraw
from tests.region import Region


@pytest.fixture(scope="module")
def server(scratch: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        made = Server(scratch / "s3")
        made.name_to(patch)
        made.start()
        yield made
        made.stop()


@pytest.fixture
def remote(server: Server, sqlite_region: Region, sqlite_databases: Databases, tmp_path: Path) -> Service:
    """Give a service of which ciphertext and second place are in S3."""
    service = Service(sqlite_region, sqlite_databases)
    prefix = tmp_path.name
    service.settings = replace(service.settings, second=f"s3://second/{prefix}", blobs=f"s3://ciphertext/{prefix}")
    service.start()
    return service


def test_a_shipment_is_written_once_and_stays_as_it_was(server: Server) -> None:
    place = Second("s3://second/once")
    assert place.put("000000000001", b"first")
    assert not place.put("000000000001", b"another")
    assert place.put("000000000002", b"")
    assert (place.get("000000000001"), place.get("000000000002")) == (b"first", b"")
    assert place.names() == ["000000000001", "000000000002"]
    for _ in range(2):
        place.delete("000000000001")
    assert place.names() == ["000000000002"]
    with pytest.raises(FileNotFoundError, match=r"^no such object$"):
        place.get("000000000001")


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART + 1])
def test_ciphertext_of_any_size_comes_back_whole(server: Server, size: int) -> None:
    """H8: S3 wants parts of 5 MiB, where a folder takes any."""
    blobs = Blobs("s3://ciphertext/sizes")
    data = bytes(range(256)) * (size // 256 + 1)
    chunks = [data[at : min(at + 300_000, size)] for at in range(0, size, 300_000)]
    name = blobs.put(chunks)
    assert b"".join(blobs.stream(name)) == data[:size]
    assert name in blobs.names()
    blobs.delete(name)
    assert name not in blobs.names()
    with pytest.raises(FileNotFoundError):
        blobs.stream(name)


def test_a_whole_service_comes_back_from_a_backup_and_a_second_place_in_s3(remote: Service) -> None:
    """K4, K12: confirming a backup removes what it holds, and what came after it is put back."""
    withdrawn, standing = granted_file(remote.region, holders=1), granted_file(remote.region, holders=1)
    copies = remote.backup()
    place = Second(str(remote.settings.second))
    there = place.names()
    _, dropped = confirm(remote.region.parts, [path.read_bytes() for path in copies])
    assert (dropped, place.names()) == (len(there), [])
    withdraw(remote, withdrawn, destroy_now=True)
    before = held(remote)
    remote.lose()
    assert remote.restore(copies).lost == ()
    assert held(remote) == before
    assert asks(remote, withdrawn) == Withheld("WITHDRAWN")
    found = asks(remote, standing)
    assert isinstance(found, Released)
    assert b"".join(hand_out(remote.region.parts, found))


def test_what_was_shipped_of_a_lost_branch_is_put_aside_in_s3_too(remote: Service) -> None:
    """K12"""
    people = [remote.region.dpo("stad"), remote.region.root]
    file = granted_file(remote.region, holders=1)
    copies = remote.backup()
    ready_file(remote.region, holders=1)
    place = Second(str(remote.settings.second))
    *_, gone, last = place.names()
    place.delete(gone)
    kept = kept_note(remote)
    remote.lose()
    with pytest.raises(RestoreRefused, match=f"shipment {int(gone)} is missing"):
        remote.restore(copies, known=[kept])
    assert remote.restore(copies, known=[kept], approvals=approvals(remote, *people)).lost
    assert f"before-2-{last}" in place.names()
    restate(remote, file)
    remote.lose()
    assert remote.restore(copies).lost == ()
    assert asks(remote, file) == Withheld("SUSPENDED")


def test_while_s3_is_away_nothing_is_acknowledged_and_afterwards_the_same_request_is(
    remote: Service, server: Server
) -> None:
    """K5, H3"""
    region = remote.region
    file = granted_file(region, holders=1)
    words = {"token": file.tokens[0], "sections": ["okr"], "destroy_now": False}
    server.stop()
    assert region.family("withdrawal", words, 503, key="k" * 16)["code"] == "STORE_UNAVAILABLE"
    server.start()
    region.family("withdrawal", words, key="k" * 16)
    assert asks(remote, file) == Withheld("WITHDRAWN")
