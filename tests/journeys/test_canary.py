"""What the canary's own search can find: a search that finds nothing proves something only if it could."""

import base64
from pathlib import Path

import pytest

from tests import canary
from tests.conftest import Databases
from tests.region import Region


@pytest.mark.parametrize("word", canary.WORDS)
@pytest.mark.parametrize("skipped", [0, 1, 2])
def test_the_search_finds_a_word_in_every_form(word: str, skipped: int) -> None:
    plain = b"x" * skipped + word.encode() + b"y"
    for form in (plain, base64.b64encode(plain), plain.hex().encode(), word.encode("utf-16-le")):
        assert canary.traces(b"..." + form + b"...") == [word]


def test_the_search_finds_a_file_by_name_and_by_content(tmp_path: Path) -> None:
    (tmp_path / f"{canary.NAME}.txt").write_bytes(b"")
    (tmp_path / "note").write_bytes(canary.NOTE.encode())
    assert canary.found_in(tmp_path) == [f"{canary.NAME}.txt holds {canary.NAME}", f"note holds {canary.NOTE}"]


def test_l6_the_canary_goes_the_whole_way_and_is_found_nowhere(databases: Databases, tmp_path: Path) -> None:
    region = Region(databases, tmp_path)
    region.board("po", "99AA00")
    region.board("vo", "99BB00")
    child = region.pupil("99AA00", number=f"L-{canary.NOTE}"[:40])
    transfer = region.transfer(child, "99AA00", "99BB00", sections=("okr", "views"))
    tokens = [region.invite("99AA00", transfer, person) for person in child.persons]
    region.upload("99AA00", transfer, region.seal(transfer, "99AA00", "99BB00")[0])
    for token in tokens:
        region.family("view", {"token": token, "text": canary.NOTE, "travels": True, "done": True})
        region.answer(token, okr="yes")
    answer = region.release("99BB00", transfer, "okr")
    assert answer.status_code == 200
    assert canary.traces(answer.get_data()) == []
    region.family("withdrawal", {"token": tokens[0], "sections": ["okr"], "destroy_now": True})
    refused = region.post("99AA00", "/v1/pupils", {"number": canary.BSN, "first_name": canary.NAME}, 422)
    assert canary.traces(str(refused).encode()) == []
    assert canary.found_in(tmp_path) == []
    messages = b"".join(path.read_bytes() for path in (tmp_path / "outbox").iterdir())
    assert set(canary.traces(messages)) == {canary.MAIL}
