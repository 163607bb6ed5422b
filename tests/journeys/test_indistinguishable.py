"""For a receiver, a section that was never asked for, never answered, refused or withdrawn is one and the same.

Each story is played from nothing; then everything that the receiver can get is compared: the inbox, the transfer, every
answer for every section with its headers, and the container of what was released. What is random by design is masked:
ids, times, ciphertext, hashes and signatures keep their length and nothing else.
"""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from consent.terms import Section
from crypto.bundle import Reader
from crypto.seal import Content
from tests.conftest import Databases
from tests.region import CANARY, Child, Region, document, head_of

SENDER, RECEIVER = "99AA00", "99BB00"
REPORT = Content({"tekst": "een verslag"}, [document("verslag.pdf", b"%PDF-1.4 een verslag van acht bladzijden")])
_RANDOM = re.compile(r"[A-Za-z0-9_+/=-]{20,}|\d{4}-\d\d-\d\dT[\d:.]+Z")


def _never_asked(region: Region, child: Child) -> str:
    return _story(region, child, ("okr",), {"okr": CANARY}, okr="yes")


def _empty(region: Region, child: Child) -> str:
    return _story(region, child, ("okr", "reports"), {"okr": CANARY}, okr="yes")


def _never_answered(region: Region, child: Child) -> str:
    return _story(region, child, ("okr", "reports"), {"okr": CANARY, "reports": REPORT}, okr="yes")


def _refused(region: Region, child: Child) -> str:
    return _story(region, child, ("okr", "reports"), {"okr": CANARY, "reports": REPORT}, okr="yes", reports="no")


def _withdrawn(region: Region, child: Child) -> str:
    contents = {"okr": CANARY, "reports": REPORT}
    transfer = _story(region, child, ("okr", "reports"), contents, okr="yes", reports="yes")
    token = region.tokens()[-1]
    region.family("withdrawal", {"token": token, "sections": ["reports"], "destroy_now": False})
    return transfer


def _withdrawn_and_destroyed(region: Region, child: Child) -> str:
    contents = {"okr": CANARY, "reports": REPORT}
    transfer = _story(region, child, ("okr", "reports"), contents, okr="yes", reports="yes")
    token = region.tokens()[-1]
    region.family("withdrawal", {"token": token, "sections": ["reports"], "destroy_now": True})
    return transfer


STORIES: dict[str, Callable[[Region, Child], str]] = {
    "never asked": _never_asked,
    "empty": _empty,
    "never answered": _never_answered,
    "refused": _refused,
    "withdrawn": _withdrawn,
    "withdrawn and destroyed": _withdrawn_and_destroyed,
}


def _story(region: Region, child: Child, asked: tuple[str, ...], contents: dict[str, Content], **answers: str) -> str:
    transfer = region.transfer(child, SENDER, RECEIVER, sections=asked)
    tokens = [region.invite(SENDER, transfer, person) for person in child.persons]
    region.upload(SENDER, transfer, region.seal(transfer, SENDER, RECEIVER, contents)[0])
    for token in tokens:
        region.answer(token, **answers)
    return transfer


def _mask(text: str) -> str:
    return _RANDOM.sub(lambda random: "*" * len(random[0]), text)


def _seen(response: TestResponse) -> dict[str, object]:
    """Everything that one answer shows: status, headers, body; of a release the head, and what its container tells."""
    headers = sorted((name, _mask(value)) for name, value in response.headers.items())
    body: object = _mask(response.get_data(as_text=True)) if response.is_json or not response.data else None
    if response.status_code == 200 and response.mimetype.startswith("application/vnd"):
        head, container = head_of(response)
        # The journal's place and size count everything that anybody does; its hashes follow from them.
        head["receipt"]["statement"].pop("index")
        head["receipt"].pop("proof")
        reader = Reader(io.BytesIO(container))
        sections = {name: sum(map(len, pieces)) for name, pieces in reader.sections()}
        body = {
            "head": _mask(json.dumps(head)),
            "sections": sections,
            "manifest": _mask(reader.manifest_bytes.decode()),
        }
        body["length"] = len(container)
    return {"status": response.status_code, "headers": headers, "body": body}


def _everything(region: Region, transfer: str) -> str:
    path = f"/v1/transfers/{transfer}"
    answers = [
        region.send(RECEIVER, "GET", "/v1/transfers?side=receiver"),
        region.send(RECEIVER, "GET", path),
        *(region.release(RECEIVER, transfer, str(section)) for section in Section),
        region.release(RECEIVER, transfer, "okr", "reports"),
        region.release(RECEIVER, transfer, *map(str, Section)),
        region.send(RECEIVER, "GET", path),
        region.send(RECEIVER, "POST", f"{path}/acknowledgement", {"received": True, "placed": None}),
    ]
    return json.dumps([_seen(answer) for answer in answers], indent=1)


@pytest.fixture(scope="module")
def baseline() -> dict[str, str]:
    """What the first story showed; the others are held against it."""
    return {}


@pytest.mark.parametrize("story", STORIES)
def test_a_withheld_section_looks_like_one_that_was_never_there(
    story: str, baseline: dict[str, str], sqlite_databases: Databases, tmp_path: Path
) -> None:
    region = Region(sqlite_databases, tmp_path)
    region.board("po", SENDER)
    region.board("vo", RECEIVER)
    shown = _everything(region, STORIES[story](region, region.pupil(SENDER)))
    assert shown.count('"status": 403') == 9, "okr alone is released; each other question is refused"
    assert shown == baseline.setdefault("shown", shown)


def test_the_comparison_would_notice_a_released_report(sqlite_databases: Databases, tmp_path: Path) -> None:
    region = Region(sqlite_databases, tmp_path)
    region.board("po", SENDER)
    region.board("vo", RECEIVER)
    child = region.pupil(SENDER)
    contents = {"okr": CANARY, "reports": REPORT}
    transfer = _story(region, child, ("okr", "reports"), contents, okr="yes", reports="yes")
    assert _everything(region, transfer).count('"status": 403') == 7
