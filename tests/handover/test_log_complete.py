"""Each action is in the journal exactly once, granted or refused, and what can't be written down doesn't happen.

One table: every route, how it is asked, and which entries it leaves. A route that isn't in it fails (bad cases K5, K6).
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

import handover
from consent.db import reading, writing
from consent.fields import print_time
from crypto.encoding import Printable, b64, canon, parse
from crypto.keyfile import KeyFile
from crypto.keys import SignKey
from crypto.sign import sign
from crypto.statements import LIMIT, BoardCertificate, print_certificate
from handover.audit import KINDS
from handover.tables import Proposal
from tests.handover.story import OTHER, PO, PO_TOO, VO, Case, Story, merged
from tests.handover.test_service_access import CARRIES_SIGNATURES, EXAMINED, PUBLIC, SIGNED, WITH_TOKEN, routes
from tests.region import ORIGIN, UPLOAD, YEARS, expect, now

BROKEN: Final = "CREATE TRIGGER broken BEFORE INSERT ON journal_leaf BEGIN SELECT json('broken'); END"
SEEN: Final = ("nonce", "attempt", "data_key", "lookup_hash")
"""What a request that fails may leave: that it was made, and keys that nothing stands under."""

SCHOOL: Final = "/v1/schools/<string(maxlength=6):school>"
PUPIL: Final = "/v1/pupils/<string(maxlength=64):pupil>"
TRANSFER: Final = "/v1/transfers/<string(maxlength=64):transfer>"
REQUEST: Final = "/v1/requests/<string(maxlength=64):event>"
BOARD: Final = "/v1/boards/<string(maxlength=40):board>"
PROPOSAL: Final = "/v1/proposals/<string(maxlength=64):proposal>"
CONFIRM: Final = ("POST", f"{PROPOSAL}/confirm")
WITHDRAW: Final = ("POST", f"{PROPOSAL}/withdrawal")

Route = tuple[str, str]
Ask = Callable[[], TestResponse]
"""Sends the same request each time it is called, signed anew."""


@dataclass(frozen=True)
class Step:
    """A request: the route, how the story gets there, the answer's status, and the entries as `kind outcome`."""

    route: Route
    begin: Callable[[Story], Ask]
    status: int
    entries: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{' '.join(self.route)} {self.status}"


def by(school: str, method: str, path: str, body: object = None, **options: Any) -> Callable[[Story], Ask]:
    """Send a school's request that needs nothing beforehand."""
    return lambda story: lambda: story.region.send(school, method, path, body, **options)


def on(school: str, what: str, body: object, make: Callable[[Story], Case], **options: Any) -> Callable[[Story], Ask]:
    """Send a school's request about a transfer."""

    def begin(story: Story) -> Ask:
        case = make(story)
        return lambda: story.region.send(school, "POST", case.path + what, body, **options)

    return begin


def of_pupil(what: str, body: object, **options: Any) -> Callable[[Story], Ask]:
    """Change something about a pupil."""

    def begin(story: Story) -> Ask:
        child = story.region.pupil(PO)
        return lambda: story.region.send(PO, "PUT", f"/v1/pupils/{child.pupil}/{what}", body, **options)

    return begin


def holds(story: Story) -> Ask:
    """Let the principal hold a pupil's record back from destruction."""
    child = story.region.pupil(PO)
    path = f"/v1/pupils/{child.pupil}/holds"
    return lambda: story.region.send(PO, "POST", path, {"ground": "LKC 1"}, role="principal")


def lifts_hold(story: Story) -> Ask:
    """Let the principal propose that a hold is lifted."""
    path = f"/v1/pupils/{story.region.pupil(PO).pupil}/holds"
    hold = story.region.post(PO, path, {"ground": "LKC 1"}, 201, role="principal")["hold"]
    return lambda: story.region.send(PO, "POST", f"{path}/{hold}/lifting", {"ground": "settled"}, role="principal")


def said(what: str, make: Callable[[Story], Case], body: Callable[[Case], dict[str, Any]]) -> Callable[[Story], Ask]:
    """Let a visitor with a token say something."""

    def begin(story: Story) -> Ask:
        case = make(story)
        content = {"token": case.tokens[0]} | body(case)

        def ask() -> TestResponse:
            headers = {"Idempotency-Key": f'"{secrets.token_urlsafe(18)}"'}
            return story.region.http.post(f"/v1/family/{what}", json=content, headers=headers, base_url=ORIGIN)

        return ask

    return begin


def examined(what: str, body: object) -> Callable[[Story], Ask]:
    """Let the FG of the sender's board look at something."""

    def begin(story: Story) -> Ask:
        story.region.dpo("po-noord")
        return lambda: story.region.examine("po-noord", "POST", f"/v1/audit/{what}", body)

    return begin


def bare(story: Story) -> Case:
    return story.case(bundle=False, invited=False)


def asked(story: Story) -> Case:
    return story.case(bundle=False)


def sent(story: Story) -> Case:
    return story.case()


def received(story: Story) -> Case:
    case = story.agreed("okr")
    case.ask("okr")
    return case


def lawful(story: Story) -> Case:
    """A transfer of a board that invokes the law."""
    story.region.choose("po-noord", "wettelijk")
    case = story.case(sections=("okr", "lvs"))
    story.region.choose("po-noord", "toestemming")
    return case


def notice(case: Case) -> str:
    digest: str = case.family("question")["notice"]["sha256"]
    return digest


# ---- what needs more than a body


def joins(story: Story) -> Ask:
    certificate = BoardCertificate(
        board="so-west",
        name="Bestuur so-west",
        identity=SignKey.generate("identity").public,
        schools=("44DD00",),
        epoch=1,
        valid_from=now().replace(microsecond=0) - timedelta(minutes=2),
        valid_until=now().replace(microsecond=0) + YEARS,
        previous=None,
    )
    body = {"certificate": parse(print_certificate(certificate, story.region.root), limit=LIMIT)}
    return lambda: story.region.http.post("/v1/boards", json=body)


def publishes(story: Story) -> Ask:
    school = story.region.schools[OTHER]
    school.keys = KeyFile.generate(OTHER)
    body = {"statements": [parse(school.state(kind), limit=LIMIT) for kind in ("sign", "seal", "request")]}
    return lambda: story.region.http.post(f"/v1/schools/{OTHER}/keys", json=body)


def states(context: str, path: str, said: dict[str, Printable]) -> Callable[[Story], Ask]:
    """Let a board state something, signed by its identity."""

    def begin(story: Story) -> Ask:
        statement: Printable = {"v": 1, "board": "vo-oost", "made_at": print_time(now()), **said}
        signature = b64(sign(story.region.boards["vo-oost"].identity, context, canon(statement)))
        body = {context: statement, "signature": signature}
        return lambda: story.region.http.put(f"/v1/boards/vo-oost/{path}", json=body)

    return begin


def registers(story: Story) -> Ask:
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    holder = {"name": "Ouder 1", "mail": "ouder1@gezin.test", "role": "guardian"}
    body = {"first_name": "Sam", "birth_date": "2014-05-06", "custody": {"holders": [holder], "evidence": evidence}}
    number = f"K{secrets.randbelow(10**6):06}"
    return lambda: story.region.send(PO, "POST", "/v1/pupils", body | {"number": number})


def changes_custody(story: Story) -> Ask:
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    holder = {"name": "Ouder 3", "mail": "ouder3@gezin.test", "role": "guardian"}
    return of_pupil("custody", {"holders": [holder], "evidence": evidence})(story)


def changes_address(story: Story) -> Ask:
    child = story.region.pupil(PO, holders=1)
    evidence = {"kind": "gezagsregister", "date": now().date().isoformat(), "staff": "s-1"}
    mail = f"{secrets.token_hex(4)}@gezin.test"
    holder = {"name": "Ouder 1", "mail": mail, "role": "guardian", "person": child.persons[0]}
    body = {"holders": [holder], "evidence": evidence}
    return lambda: story.region.send(PO, "PUT", f"/v1/pupils/{child.pupil}/custody", body)


def opens(story: Story) -> Ask:
    child = story.region.pupil(PO)
    body = {"pupil": child.pupil, "receiver": VO, "route": "POVO", "purpose": "placement", "sections": ["okr"]}
    return lambda: story.region.send(PO, "POST", "/v1/transfers", body)


def applies(story: Story) -> Ask:
    child = story.region.pupil(PO)
    transfer = story.region.transfer(child, PO, VO, applied=False)
    return lambda: story.region.send(VO, "POST", f"/v1/transfers/{transfer}/application", {})


def invites(story: Story) -> Ask:
    case = bare(story)
    path, body = f"{case.path}/invitations", {"person": case.child.persons[0]}
    return lambda: story.region.send(PO, "POST", path, body)


def uploads(story: Story) -> Ask:
    case = bare(story)
    data, _ = story.region.seal(case.transfer, PO, VO)
    return lambda: story.region.send(PO, "POST", f"{case.path}/bundles", data, content_type=UPLOAD)


def releases(school: str, *agreed: str) -> Callable[[Story], Ask]:
    """Ask for okr when everybody has said yes to these sections; the answer is read to its end."""

    def begin(story: Story) -> Ask:
        case = story.agreed(*agreed) if agreed else story.case()

        def ask() -> TestResponse:
            answer = story.region.release(school, case.transfer, "okr")
            answer.get_data()
            return answer

        return ask

    return begin


def proposes(story: Story) -> Ask:
    case = bare(story)
    return lambda: story.region.send(PO, "POST", f"{case.path}/emergency", emergency())


def emergency() -> dict[str, Any]:
    until = print_time(now() + timedelta(hours=24))
    return {"ground": "meldcode", "sections": ["okr"], "until": until, "reason": "Spoed."}


def settles(what: str, staff: str, begins: Callable[[Story], Ask] = proposes) -> Callable[[Story], Ask]:
    """Let somebody confirm, or take back, what s-1 has proposed."""

    def begin(story: Story) -> Ask:
        proposal = begins(story)().get_json()["proposal"]
        return lambda: story.region.send(PO, "POST", f"/v1/proposals/{proposal}/{what}", {}, staff=staff)

    return begin


def cancelled_since(what: str, body: Callable[[Case], dict[str, Any]]) -> Callable[[Story], Ask]:
    """Let s-2 confirm what was proposed for a transfer that was cancelled since."""

    def begin(story: Story) -> Ask:
        case = bare(story)
        proposal = story.region.post(PO, f"{case.path}/{what}", body(case), 201, role="principal")["proposal"]
        story.region.post(PO, f"{case.path}/cancel", {})
        return lambda: story.region.send(PO, "POST", f"/v1/proposals/{proposal}/confirm", {}, staff="s-2")

    return begin


def proposes_too_late(story: Story) -> Ask:
    case = bare(story)
    story.region.post(PO, f"{case.path}/cancel", {})
    return lambda: story.region.send(PO, "POST", f"{case.path}/emergency", emergency())


def lifts_no_hold(story: Story) -> Ask:
    path = f"/v1/pupils/{story.region.pupil(PO).pupil}/holds/no-such-hold/lifting"
    return lambda: story.region.send(PO, "POST", path, {"ground": "settled"}, role="principal")


def lifts_with_a_gap(story: Story) -> Ask:
    """Let s-2 confirm that a hold is lifted of which a later event is missing: the ledger doesn't take it."""
    proposal, keystore = lifts_hold(story)().get_json()["proposal"], story.region.parts.keystore
    with reading(story.region.parts.main) as session:
        pupil = session.get_one(Proposal, proposal).pupil
    keystore.settle_numbers([(keystore.tag("pupil", pupil), 99)], {})
    return lambda: story.region.send(PO, "POST", f"/v1/proposals/{proposal}/confirm", {}, staff="s-2")


def ends_again(story: Story) -> Ask:
    asking = ends("s-2")(story)
    expect(asking(), 200)
    return asking


def ends(staff: str) -> Callable[[Story], Ask]:
    """Let somebody end what s-1 proposed and s-2 confirmed."""

    def begin(story: Story) -> Ask:
        case = bare(story)
        proposal = story.region.post(PO, f"{case.path}/emergency", emergency(), 201)["proposal"]
        event = story.region.confirm(PO, proposal)["event"]
        return lambda: story.region.send(PO, "POST", f"{case.path}/emergency/{event}/end", {}, staff=staff)

    return begin


def records_paper(notice: str | None = None) -> Callable[[Story], Ask]:
    """Let s-1 record a paper, on the present text unless another one is named."""

    def begin(story: Story) -> Ask:
        case = bare(story)
        form = expect(story.region.send(PO, "GET", f"{case.path}/paper"), 200).get_json()
        body = {
            "person": case.child.persons[0],
            "answers": {"okr": "yes", "reports": "no"},
            "notice": notice or form["notice"]["sha256"],
            "scan": "5" * 64,
            "collected": "meeting",
            "signed_on": now().date().isoformat(),
        }
        return lambda: story.region.send(PO, "POST", f"{case.path}/paper", body)

    return begin


def ruled(case: Case) -> dict[str, Any]:
    """Write a court's ruling in the place of the first holder."""
    about = {"stands_for": case.child.persons[0], "sections": ["okr"], "decided_on": now().date().isoformat()}
    return {"court": "RBMNE", "scan": "5" * 64, **about}


def proposes_ruling(story: Story) -> Ask:
    case = bare(story)
    return lambda: story.region.send(PO, "POST", f"{case.path}/court", ruled(case), role="principal")


def confirms_ruling(story: Story) -> Ask:
    case = bare(story)
    proposal = story.region.post(PO, f"{case.path}/court", ruled(case), 201, role="principal")["proposal"]
    return lambda: story.region.send(PO, "POST", f"/v1/proposals/{proposal}/confirm", {}, staff="s-2")


def follows_on(story: Story) -> Ask:
    """Let a receiver's second location go on for the first, whose keys have ended."""
    old, new = merged(story.region)
    path = f"/v1/pupils/{story.region.pupil(PO).pupil}/successors"
    return lambda: story.region.send(PO, "POST", path, {"receiver": old, "successor": new}, role="principal")


def decides_objection(story: Story) -> Ask:
    case = lawful(story)
    event = case.family("objection", sections=["okr"], reason="Nee.")["events"][0]
    path, body = f"{case.path}/objections/{event}/decision", {"upheld": True, "reason": "Terecht."}
    return lambda: story.region.send(PO, "POST", path, body, role="principal")


def rules(right: str, what: str, body: dict[str, Any]) -> Callable[[Story], Ask]:
    """Let the school answer a request."""

    def begin(story: Story) -> Ask:
        request = asked(story).family("rights", right=right, text="Het advies klopt niet.")["request"]
        return lambda: story.region.send(PO, "POST", f"/v1/requests/{request}/{what}", body, role="principal")

    return begin


def looks(path: str) -> Callable[[Story], Ask]:
    """Let a school to which nobody else wrote look at a family's words."""

    def begin(story: Story) -> Ask:
        region = story.region
        child = region.pupil(PO_TOO)
        transfer = region.transfer(child, PO_TOO, VO)
        token = region.invite(PO_TOO, transfer, child.persons[0])
        if path.startswith("/v1/requests"):
            region.family("rights", {"token": token, "right": "rectification", "text": "Het advies klopt niet."})
        else:
            view = {"text": "Sam leest graag.", "travels": False, "done": False}
            region.family("view", {"token": token} | view)
        return lambda: region.send(PO_TOO, "GET", path.format(transfer=transfer))

    return begin


def right(name: str) -> Callable[[Story], Ask]:
    return said("rights", asked, lambda _: {"right": name, "text": "Het advies klopt niet."})


DPO: Final[dict[str, Printable]] = {
    "name": "fg-9",
    "public": b64(SignKey.generate("dpo").public),
    "mail": None,
    "valid_until": print_time(now() + YEARS),
    "state": "current",
}
POLICY: Final[dict[str, Printable]] = {
    "policy": {"kind": "wettelijk", "waiting_days": 7, "consent_level": 1, "explicit_level": 1},
}

FREES: Final = rules("restriction", "lifting", {"reason": "Het is uitgezocht."})
ERASES: Final = rules("erasure", "decision", {"ruling": "granted", "reason": "Het mag weg."})

STEPS: Final = (
    Step(("POST", "/v1/boards"), joins, 201, ("board_joined granted",)),
    Step(("PUT", f"{BOARD}/policy"), states("policy", "policy", POLICY), 200, ("policy None",)),
    Step(("PUT", f"{BOARD}/dpos"), states("dpo", "dpos", DPO), 200, ("dpo_stated granted",)),
    Step(("POST", f"{SCHOOL}/keys"), publishes, 201, ("keys_published granted",)),
    Step(("POST", "/v1/pupils"), registers, 201, ("custody None", "pupil_registered granted")),
    Step(("PUT", f"{PUPIL}/custody"), changes_custody, 200, ("custody None",)),
    Step(("PUT", f"{PUPIL}/custody"), changes_address, 200, ("custody None", "address_changed granted")),
    Step(("PUT", f"{PUPIL}/group"), of_pupil("group", {"group": "8a"}), 200, ("group_set granted",)),
    Step(
        ("PUT", f"{PUPIL}/flag"),
        of_pupil("flag", {"colleague": True}, role="principal"),
        200,
        ("pupil_flagged granted",),
    ),
    Step(("POST", f"{PUPIL}/holds"), holds, 201, ("hold None",)),
    Step(
        ("POST", f"{PUPIL}/holds/<string(maxlength=64):event>/lifting"),
        lifts_hold,
        201,
        ("lifting_proposed granted",),
    ),
    Step(
        ("POST", f"{PUPIL}/holds/<string(maxlength=64):event>/lifting"),
        lifts_no_hold,
        404,
        ("lifting_proposed NOT_FOUND",),
    ),
    Step(("POST", "/v1/transfers"), opens, 201, ("transfer_opened granted",)),
    Step(("POST", f"{TRANSFER}/cancel"), on(PO, "/cancel", {}, bare), 200, ("transfer_cancelled granted",)),
    Step(("POST", f"{TRANSFER}/application"), applies, 200, ("applied None",)),
    Step(
        ("POST", f"{TRANSFER}/statutory"),
        on(PO, "/statutory", {"sections": ["okr", "lvs"]}, lawful),
        200,
        ("statutory None", "statutory None"),
    ),
    Step(("POST", f"{TRANSFER}/invitations"), invites, 201, ("invited granted",)),
    Step(
        ("POST", f"{TRANSFER}/objections/<string(maxlength=64):event>/decision"),
        decides_objection,
        200,
        ("objection_decided None",),
    ),
    Step(("POST", f"{TRANSFER}/bundles"), uploads, 201, ("uploaded granted",)),
    Step(("POST", f"{TRANSFER}/release"), releases(VO, "okr"), 200, ("release granted", "delivered delivered")),
    Step(("POST", f"{TRANSFER}/release"), releases(VO), 403, ("release NO_GRANT",)),
    Step(("POST", f"{TRANSFER}/release"), releases(OTHER, "okr"), 404, ("attempt refused",)),
    Step(
        ("POST", f"{TRANSFER}/acknowledgement"),
        on(VO, "/acknowledgement", {"received": True, "placed": True}, received),
        200,
        ("acknowledged granted",),
    ),
    Step(("POST", f"{TRANSFER}/emergency"), proposes, 201, ("emergency_proposed granted",)),
    Step(("POST", f"{TRANSFER}/emergency"), proposes_too_late, 409, ("emergency_proposed CANCELLED",)),
    Step(CONFIRM, settles("confirm", "s-2"), 200, ("emergency None", "emergency_confirmed granted")),
    Step(CONFIRM, settles("confirm", "s-1"), 409, ("emergency_confirmed SECOND_NEEDED",)),
    Step(
        CONFIRM,
        settles("confirm", "s-2", records_paper()),
        200,
        ("grant None", "refuse None", "paper_confirmed granted"),
    ),
    Step(CONFIRM, settles("confirm", "s-2", lifts_hold), 200, ("hold None", "lifting_confirmed granted")),
    Step(CONFIRM, settles("confirm", "s-2", FREES), 200, ("restrict None", "lifting_confirmed granted")),
    Step(CONFIRM, settles("confirm", "s-1", FREES), 409, ("lifting_confirmed SECOND_NEEDED",)),
    Step(CONFIRM, settles("confirm", "s-1", ERASES), 409, ("erasure_confirmed SECOND_NEEDED",)),
    Step(CONFIRM, cancelled_since("emergency", lambda _: emergency()), 409, ("emergency_confirmed CANCELLED",)),
    Step(CONFIRM, cancelled_since("court", ruled), 409, ("court_recorded CANCELLED",)),
    Step(CONFIRM, lifts_with_a_gap, 409, ("lifting_confirmed LEDGER_INTEGRITY",)),
    Step(CONFIRM, by(PO, "POST", f"/v1/proposals/{'0' * 64}/confirm", {}, staff="s-2"), 404, ("attempt refused",)),
    Step(WITHDRAW, by(PO, "POST", f"/v1/proposals/{'0' * 64}/withdrawal", {}), 404, ("attempt refused",)),
    Step(WITHDRAW, settles("withdrawal", "s-1"), 200, ("proposal_withdrawn granted",)),
    Step(WITHDRAW, settles("withdrawal", "s-2"), 403, ("proposal_withdrawn NOT_YOURS",)),
    Step(
        ("POST", f"{TRANSFER}/emergency/<string(maxlength=64):event>/end"),
        ends("s-2"),
        200,
        ("emergency None", "emergency_ended granted"),
    ),
    Step(
        ("POST", f"{TRANSFER}/emergency/<string(maxlength=64):event>/end"),
        ends("s-3"),
        403,
        ("emergency_ended NOT_YOURS",),
    ),
    Step(
        ("POST", f"{TRANSFER}/emergency/<string(maxlength=64):event>/end"),
        ends_again,
        409,
        ("emergency_ended EMERGENCY_OVER",),
    ),
    Step(("POST", f"{TRANSFER}/paper"), records_paper(), 201, ("paper_recorded granted",)),
    Step(("POST", f"{TRANSFER}/paper"), records_paper("0" * 64), 422, ("paper_recorded NOTICE_CHANGED",)),
    Step(("POST", f"{TRANSFER}/court"), proposes_ruling, 201, ("court_proposed granted",)),
    Step(CONFIRM, confirms_ruling, 200, ("court None", "court_recorded granted")),
    Step(("POST", f"{PUPIL}/successors"), follows_on, 201, ("successor None",)),
    Step(
        ("POST", f"{REQUEST}/decision"),
        rules("rectification", "decision", {"ruling": "refused", "reason": "Het klopt wel."}),
        200,
        ("request_decided None",),
    ),
    Step(("POST", f"{REQUEST}/decision"), ERASES, 200, ("erasure_proposed granted",)),
    Step(("POST", f"{REQUEST}/lifting"), FREES, 201, ("lifting_proposed granted",)),
    Step(("GET", "/v1/requests"), looks("/v1/requests"), 200, ("words_shown granted",)),
    Step(("GET", TRANSFER), looks("/v1/transfers/{transfer}"), 200, ("words_shown granted",)),
    Step(("POST", "/v1/family/question"), said("question", asked, lambda _: {}), 200, ("question_shown granted",)),
    Step(
        ("POST", "/v1/family/answers"),
        said(
            "answers",
            sent,
            lambda case: {"notice": notice(case), "answers": {"okr": "yes", "reports": "yes", "lvs": "no"}},
        ),
        200,
        ("grant None", "grant None", "refuse None"),
    ),
    Step(
        ("POST", "/v1/family/withdrawal"),
        said("withdrawal", sent, lambda _: {"sections": ["okr"], "destroy_now": False}),
        200,
        ("withdraw None",),
    ),
    Step(
        ("POST", "/v1/family/withdrawal"),
        said("withdrawal", sent, lambda _: {"sections": ["okr"], "destroy_now": True}),
        200,
        ("withdraw None", "shred_intent granted", "shred_done granted"),
    ),
    Step(
        ("POST", "/v1/family/inzage"),
        said("inzage", sent, lambda case: {"versions": case.versions("okr"), "done": True}),
        200,
        ("inzage None",),
    ),
    Step(
        ("POST", "/v1/family/view"),
        said("view", sent, lambda _: {"text": "Sam leest graag.", "travels": True, "done": True}),
        200,
        ("view None",),
    ),
    Step(
        ("POST", "/v1/family/objection"),
        said("objection", lawful, lambda _: {"sections": ["okr"], "reason": "Nee."}),
        200,
        ("object None",),
    ),
    Step(("POST", "/v1/family/log"), said("log", asked, lambda _: {}), 200, ("family_log_shown granted",)),
    Step(("POST", "/v1/family/requests"), said("requests", asked, lambda _: {}), 200, ("requests_shown granted",)),
    Step(("POST", "/v1/family/rights"), right("access"), 200, ("request None", "request_answered granted")),
    Step(("POST", "/v1/family/rights"), right("rectification"), 200, ("request None",)),
    Step(("POST", "/v1/family/rights"), right("restriction"), 200, ("request None", "restrict None")),
    Step(("POST", "/v1/audit/search"), examined("search", {}), 200, ("audit_searched granted",)),
    Step(
        ("POST", "/v1/audit/patterns"),
        examined("patterns", {"since": "2027-01-01", "until": "2027-01-31"}),
        200,
        ("audit_patterns granted",),
    ),
    Step(
        ("POST", "/v1/audit/breach"),
        examined("breach", {"since": "2027-01-01T00:00:00Z", "until": "2027-02-01T00:00:00Z"}),
        200,
        ("breach_reported granted",),
    ),
    Step(("POST", "/v1/audit/export"), examined("export", {}), 200, ("audit_exported granted",)),
    Step(("POST", "/v1/audit/export"), examined("export", {"form": "csv"}), 200, ("audit_exported granted",)),
)

UNLOGGED: Final = {
    *PUBLIC,
    ("POST", "/v1/journal/witnessed"),  # a witness's word about the journal stands beside it
    ("GET", "/v1/transfers"),  # page by page what one transfer shows: see the test of the list
    ("GET", f"{TRANSFER}/emergency"),  # what the school's own staff wrote
    ("GET", f"{TRANSFER}/paper"),  # the text of a form
    ("GET", "/v1/season"),  # the school's own work list, without a word of anybody
    ("GET", "/v1/proposals"),  # what the school's own staff proposed
    ("GET", f"{PUPIL}/holds"),  # what the board's own staff held back, and why
}
"""Routes that show what is public or the asker's own, and change nothing."""


BY_ITSELF: Final = {
    "aborted": "release.py",
    "unknown": "release.py",
    "swept": "sweeping.py",
    "epoch_turned": "epochs.py",
    "epoch_ended": "epochs.py",
    "destroyed": "erasure.py",
    "pupil_erased": "erasure.py",
    "staff_erased": "destruction.py",
    "correction_passed_on": "rulings.py",
    "request_reminded": "rulings.py",
    "reminded": "season.py",
    "rollback": "restoring.py",
    "witness_enrolled": "witnessing.py",
}
"""What the service does by itself, the operator by a command, or a request only after others: where it is done."""

MADE_BY: Final = {"pupil_erased": "erase", "staff_erased": "erase_staff"}
"""Entries that the journal makes itself, by its method."""


@contextmanager
def broken(story: Story) -> Iterator[None]:
    """Let every write to the journal fail."""
    with writing(story.region.parts.main) as session:
        session.execute(text(BROKEN))
    try:
        yield
    finally:
        with writing(story.region.parts.main) as session:
            session.execute(text("DROP TRIGGER broken"))


def added(story: Story, before: int) -> tuple[str, ...]:
    """Give the entries from an index on, as `kind outcome`."""
    return tuple(f"{KINDS[entry.type]} {entry.outcome}" for entry in story.journal()[before:])


def left(story: Story) -> object:
    """Give all that a request could have left behind: rows, ciphertext, messages."""
    folder = story.region.folder
    files = {str(path) for name in ("bundles", "outbox") for path in (folder / name).rglob("*") if path.is_file()}
    return story.rows(*SEEN), files


def test_every_route_is_in_the_table() -> None:
    """K6: and nothing but routes, so that a new one has to say what it logs."""
    listed = {step.route for step in STEPS}
    known = {*SIGNED, *PUBLIC, *CARRIES_SIGNATURES, *WITH_TOKEN, *EXAMINED}
    assert listed | UNLOGGED == known
    assert not listed & UNLOGGED


def test_the_tables_of_routes_are_the_applications(standing: Story) -> None:
    assert {step.route for step in STEPS} | UNLOGGED == set(routes(standing))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_an_action_is_logged_exactly_once_and_not_done_where_it_can_not_be_logged(standing: Story, step: Step) -> None:
    """K5, K6"""
    ask = step.begin(standing)
    size, was = standing.size(), left(standing)
    with broken(standing):
        problem = expect(ask(), 503)
    assert problem.get_json()["code"] == "STORE_UNAVAILABLE"
    assert left(standing) == was
    expect(ask(), step.status)
    assert added(standing, size) == step.entries


def test_a_page_of_the_list_leaves_an_entry_for_each_whose_words_are_on_it(lite: Story) -> None:
    cases = [lite.case(bundle=False) for _ in range(3)]
    for case, writers in zip(cases, ((), (0,), (0, 1)), strict=True):
        for who in writers:
            for view in ("Sam leest graag.", "En rekent graag."):
                case.family("view", who, text=view, travels=False, done=False)
    size = lite.size()
    expect(lite.region.send(PO, "GET", "/v1/transfers?side=sender"), 200)
    expect(lite.region.send(VO, "GET", "/v1/transfers?side=receiver"), 200)
    looked = [(entry.pupil, entry.terms["person"]) for entry in lite.journal()[size:]]
    wrote = [
        (case.child.pupil, case.child.persons[who]) for case, who in zip(cases[1:] + cases[2:], (0, 0, 1), strict=True)
    ]
    assert sorted(looked, key=str) == sorted(wrote, key=str)
    rows = cases[2].family("log", 1)["rows"]
    assert [row["nl"] for row in rows if row["kind"] == "words_shown"] == [
        "De intern begeleider van school 11AA00 (Bestuur po-noord) heeft gelezen wat u aan de school schreef."
    ], "one's own, and not that the other wrote too"


def test_no_entry_stands_for_nothing() -> None:
    """K6: each kind of entry is left by a route of the table, or by the one module that does it without being asked."""
    by_routes = {entry.split()[0] for step in STEPS for entry in step.entries}
    assert by_routes | set(BY_ITSELF) == set(KINDS.values())
    assert not by_routes & set(BY_ITSELF)
    for kind, module in BY_ITSELF.items():
        source = (Path(handover.__file__).parent / module).read_text()
        assert re.search(rf"(Did|Kind)\.{kind.upper()}\b|journal\.{MADE_BY.get(kind, '-')}\(", source), kind
