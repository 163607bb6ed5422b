"""For a receiver, a section that was never asked for, never answered, refused or withdrawn is one and the same.

Each story is played from nothing; then everything that the receiver can get is compared: the inbox, the transfer, every
answer for every section with its headers, and the container of what was released. What is random by design is masked:
ids, times, ciphertext, hashes and signatures keep their length and nothing else.
"""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from consent.guardians import AMSTERDAM
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


def _propose(region: Region, transfer: str, section: str) -> str:
    """Let one of the sender's staff propose to release a section in an emergency."""
    until = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    body = {"ground": "meldcode", "sections": [section], "until": until, "reason": "Er is haast bij."}
    proposal: str = region.post(SENDER, f"/v1/transfers/{transfer}/emergency", body, 201)["proposal"]
    return proposal


def _emergency(region: Region, transfer: str, section: str) -> str:
    """Let two of the sender's staff release a section in an emergency; gives its event."""
    event: str = region.confirm(SENDER, _propose(region, transfer, section))["event"]
    return event


def _paper(region: Region, transfer: str, person: str, **answers: str) -> None:
    """Let staff take an answer over from paper."""
    path = f"/v1/transfers/{transfer}/paper"
    body = {
        "person": person,
        "answers": answers,
        "notice": region.send(SENDER, "GET", path).get_json()["notice"]["sha256"],
        "scan": "5" * 64,
        "collected": "meeting",
        "signed_on": datetime.now(AMSTERDAM).date().isoformat(),
    }
    region.confirm(SENDER, region.post(SENDER, path, body, 201)["proposal"])


BOTH = {"okr": CANARY, "reports": REPORT}


def _given_in_an_emergency(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH)
    _emergency(region, transfer, "okr")
    return transfer


def _proposed_in_an_emergency(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes")
    _propose(region, transfer, "reports")
    return transfer


def _emergency_ended(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes")
    event = _emergency(region, transfer, "reports")
    region.post(SENDER, f"/v1/transfers/{transfer}/emergency/{event}/end", {})
    return transfer


def _yes_on_paper(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes")
    for person in child.persons:
        _paper(region, transfer, person, reports="yes")
    return transfer


def _no_on_paper(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes", reports="yes")
    _paper(region, transfer, child.persons[0], reports="no")
    return transfer


def _restricted(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes", reports="yes")
    region.family("rights", {"token": region.tokens()[-1], "right": "restriction", "sections": ["reports"]})
    return transfer


def _rights_used(region: Region, child: Child) -> str:
    transfer = _story(region, child, ("okr", "reports"), BOTH, okr="yes", reports="no")
    token = region.tokens()[-1]
    for right in ("access", "portability", "erasure"):
        region.family("rights", {"token": token, "right": right})
    asked = region.family("rights", {"token": token, "right": "rectification", "text": "Dit klopt niet."})
    region.family("log", {"token": token})
    ruling = {"ruling": "refused", "reason": "Het klopt wel."}
    region.post(SENDER, f"/v1/requests/{asked['request']}/decision", ruling, role="principal")
    return transfer


STORIES: dict[str, Callable[[Region, Child], str]] = {
    "never asked": _never_asked,
    "empty": _empty,
    "never answered": _never_answered,
    "refused": _refused,
    "withdrawn": _withdrawn,
    "withdrawn and destroyed": _withdrawn_and_destroyed,
    "the other section given in an emergency": _given_in_an_emergency,
    "proposed for an emergency": _proposed_in_an_emergency,
    "an emergency that was ended": _emergency_ended,
    "a yes on paper within its week": _yes_on_paper,
    "a no on paper": _no_on_paper,
    "frozen by a guardian": _restricted,
    "rights used and a correction refused": _rights_used,
}


def _story(region: Region, child: Child, asked: tuple[str, ...], contents: dict[str, Content], **answers: str) -> str:
    transfer = region.transfer(child, SENDER, RECEIVER, sections=asked)
    tokens = [region.invite(SENDER, transfer, person) for person in child.persons]
    region.upload(SENDER, transfer, region.seal(transfer, SENDER, RECEIVER, contents)[0])
    for token in tokens if answers else ():
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


def test_an_erased_pupils_transfer_looks_like_one_that_was_never_there(
    sqlite_databases: Databases, tmp_path: Path
) -> None:
    """J7: nothing tells the receiver that there was a pupil, or that somebody had the data erased."""
    region = Region(sqlite_databases, tmp_path)
    region.board("po", SENDER)
    region.board("vo", RECEIVER)
    transfer = _story(region, region.pupil(SENDER), ("okr",), {"okr": CANARY}, okr="yes")
    asked = region.family("rights", {"token": region.tokens()[-1], "right": "erasure"})
    ruling = {"ruling": "granted", "reason": "Het mag weg."}
    told = region.post(SENDER, f"/v1/requests/{asked['request']}/decision", ruling, role="principal")
    region.confirm(SENDER, told["proposal"])
    assert _everything(region, transfer) == _everything(region, "0" * len(transfer))
