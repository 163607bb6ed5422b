"""The school's commands against a service on a loopback port: what they ask, print and refuse."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from consent.terms import Section
from crypto.checkpoint import print_verifier
from crypto.encoding import b64
from crypto.keyfile import PublicIdentity, print_identity_public
from crypto.keys import SignKey
from handover.api.schemas import NewPupil
from handover.cli import main
from handover.signing import print_checkpoint_header
from tests.handover.logs import KEY, ORIGIN, LogOf
from tests.handover.loopback import Answer, Asked, Service, as_json, problem, service
from tests.handover.samples import Desk, Ran, keys, written

ROW = {"transfer": "t-1", "receiver": "99CD01", "sender": "99AB00", "route": "POVO", "purpose": "placement"}
MISSING = "Not every holder of gezag has said yes."
SENT = ROW | {
    "state": "open",
    "decisions": {
        "okr": {"granted": True, "reason": None, "allows": None},
        "opp": {"granted": False, "reason": "GUARDIAN_MISSING", "allows": MISSING},
        "lvs": {"granted": False, "reason": "GUARDIAN_MISSING", "allows": MISSING},
    },
    "waiting_for": ["g-1", "g-2"],
    "proposals": ["p-1", "p-2"],
    "seal_again": True,
    "sections": ["okr", "opp", "lvs"],
    "bundle": {"bundle": "JZbodNgl6X4JDT6732a0Mw", "uploaded_at": "2026-11-20T23:30:00Z",
               "expires_at": "2026-12-20T22:00:00Z"},
    "objections": [
        {"event": "e-1", "person": "g-1", "sections": ["okr", "lvs"], "reason": "Dit klopt niet.\nEcht niet.",
         "due": "2026-12-21T23:00:00.000000Z", "upheld": None},
        {"event": "e-2", "person": "g-2", "sections": ["opp"], "reason": "Oud.", "due": "2026-12-21T23:00:00Z",
         "upheld": False},
        {"event": "e-3", "person": "g-2", "sections": ["lvs"], "reason": "", "due": "2026-12-21T23:00:00Z",
         "upheld": True},
    ],
    "views": [
        {"event": "e-4", "person": "g-1", "travels": True, "text": "Sam leest graag."},
        {"event": "e-5", "person": "g-2", "travels": False, "text": "Onder ons."},
    ],
    "acknowledgement": {"received_at": "2026-11-21T12:00:00Z", "placed": None, "used_for": []},
}  # fmt: skip
SENT_LINES = [
    "t-1  99CD01  POVO  placement  open  okr:granted  opp:GUARDIAN_MISSING  lvs:GUARDIAN_MISSING  seal again",
    "  opp, lvs: Not every holder of gezag has said yes.",
    "  waiting for g-1, g-2",
    "  to confirm p-1, p-2: see handover proposal list",
    "  bundle of 2026-11-21, released until 2026-12-20",
    "  objection e-1 of g-1 against okr, lvs, to be decided by 2026-12-21",
    "    Dit klopt niet.",
    "    Echt niet.",
    "  objection e-2 of g-2 against opp, rejected",
    "    Oud.",
    "  objection e-3 of g-2 against lvs, upheld",
    "  view of g-1, which may be sent",
    "    Sam leest graag.",
    "  view of g-2, which stays at this school",
    "    Onder ons.",
    "  received on 2026-11-21, not yet known whether placed",
]
CUSTODY = {"holders": [], "evidence": {"kind": "gezagsregister", "date": "2026-11-20", "staff": "s-1"}}


@dataclass
class School:
    desk: Desk
    service: Service

    def call(self, *arguments: str, **settings: str) -> Ran:
        given = {"--origin": self.service.origin, "--keyfile": "s.key", "--staff": "s-1", "--role": "administration"}
        words = [word for pair in (given | settings).items() for word in pair]
        return self.desk.call(*arguments, *words)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[School]:
    made = keys(tmp_path, "s", "99AB00")
    with service({made.request.kid: made.request.public}) as running:
        yield School(Desk(tmp_path), running)


NEW = ("--pupil", "p-1", "--to", "99CD", "--route", "POVO", "--purpose", "placement", "--sections", "lvs,okr")
COMMANDS = [
    (("transfer", "new", *NEW),
     "/v1/transfers",
     {"pupil": "p-1", "receiver": "99CD00", "route": "POVO", "purpose": "placement", "sections": ["okr", "lvs"]}),
    (("transfer", "cancel", "t-1"), "/v1/transfers/t-1/cancel", {}),
    (("transfer", "invite", "t-1", "g-1"), "/v1/transfers/t-1/invitations", {"person": "g-1"}),
    (("transfer", "apply", "t-1"), "/v1/transfers/t-1/application", {}),
    (("transfer", "law", "t-1", "--sections", "lvs,okr"), "/v1/transfers/t-1/statutory", {"sections": ["okr", "lvs"]}),
    (("ack", "t-1"), "/v1/transfers/t-1/acknowledgement", {"received": True, "placed": None}),
    (("ack", "t-1", "--placed"), "/v1/transfers/t-1/acknowledgement", {"received": True, "placed": True}),
    (("ack", "t-1", "--not-placed", "--used-for", "class", "--used-for", "support"),
     "/v1/transfers/t-1/acknowledgement",
     {"received": True, "placed": False, "used_for": ["class", "support"]}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "path", "body"), COMMANDS, ids=[" ".join(case[0]) for case in COMMANDS])
def test_a_command_asks_the_service_once_and_signed(
    at: School, arguments: tuple[str, ...], path: str, body: object
) -> None:
    done = {"transfer": "t-1", "policy": "toestemming", "state": "open", "person": "g-1"}
    at.service.answer = lambda asked: as_json(done)
    ran = at.call(*arguments, "--json")
    assert ran.code == 0, ran.err
    assert isinstance(ran.json, dict)
    [asked] = at.service.asked
    assert (asked.path, asked.json) == (path, body)
    assert asked.staff == '"s-1";role=administration'


def test_who_invites_again_hears_that_an_earlier_code_ends(at: School) -> None:
    at.service.answer = lambda asked: as_json({"person": "g-1", "expires_at": "2027-03-01T12:00:00Z"})
    ran = at.call("transfer", "invite", "t-1", "g-1")
    assert ran.code == 0
    assert "got before for this transfer works no more" in ran.err


def test_a_pupil_is_registered_from_a_file_and_not_from_options(at: School) -> None:
    pupil = {"number": "17", "first_name": "Quirijntje", "birth_date": "2014-03-02", "custody": CUSTODY}
    written(at.desk.path("p.json"), pupil)  # type: ignore[arg-type]
    persons = [{"person": "g-1", "role": "guardian"}]
    at.service.answer = lambda asked: as_json({"pupil": "p-1", "persons": persons, "other": None})
    assert at.call("transfer", "pupil", "p.json").out == "p-1\npersons:\n  g-1  guardian\n"
    assert at.service.asked[0].json == pupil


def test_the_help_shows_a_registration_that_the_service_takes(at: School) -> None:
    shown = at.desk.call("transfer", "pupil", "--help").out
    example = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
    assert NewPupil().validate(example) == {}
    written(at.desk.path("p.json"), example)
    at.service.answer = lambda asked: as_json({"pupil": "p-1", "persons": []})
    assert at.call("transfer", "pupil", "p.json").code == 0


def options(command: click.Command = main) -> Iterator[click.Option]:
    """Give the options of all commands."""
    yield from (one for one in command.params if isinstance(one, click.Option))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            under = command.get_command(context, name)
            assert under is not None
            yield from options(under)


def test_the_help_and_the_readme_name_the_variable_that_stands_in_for_an_option() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    named = [option for option in options() if option.envvar]
    assert {option.envvar for option in named} >= {"HANDOVER_ORIGIN", "HANDOVER_KEYFILE", "HANDOVER_STATE"}
    assert [option.name for option in named if not option.show_envvar] == []
    assert [option.envvar for option in named if f"`{option.envvar}`" not in readme] == []


@pytest.mark.parametrize("name", ["transfer", "fetch", "pack", "emergency", "custody"])
def test_an_option_that_takes_sections_says_which_there_are(name: str) -> None:
    command = main.get_command(click.Context(main), name)  # type: ignore[attr-defined]
    told = [str(option.help) for option in options(command) if option.name == "sections"]
    assert told
    assert [text for text in told if ", ".join(Section) not in text] == []


@pytest.mark.parametrize(
    "change",
    [{"birth_date": "2 maart"}, {"birth_date": "2014-02-30"}, {"number": 17}, {"bsn": "1"}, {"custody": []}],
)
def test_what_is_no_registration_is_refused_without_a_word_of_it(at: School, change: dict[str, object]) -> None:
    pupil = {"number": "17", "first_name": "Quirijntje", "birth_date": "2014-03-02", "custody": CUSTODY} | change
    written(at.desk.path("p.json"), pupil)  # type: ignore[arg-type]
    ran = at.call("transfer", "pupil", "p.json")
    assert (ran.code, at.service.asked) == (2, [])
    assert ran.err.startswith("handover: p.json: ")
    assert "Quirijntje" not in ran.err
    assert "maart" not in ran.err


def shown(at: School, command: str, row: dict[str, object]) -> list[str]:
    at.service.answer = lambda asked: as_json({"transfers": [row], "next": None})
    return at.call(*command.split()).out.splitlines()


def test_a_sender_sees_what_each_section_lacks_whose_answer_is_awaited_and_what_it_has_to_decide(at: School) -> None:
    assert shown(at, "transfer list", SENT) == SENT_LINES
    fresh = {"decisions": {}, "waiting_for": [], "proposals": [], "objections": [], "views": [], "bundle": None}
    assert shown(at, "transfer list", ROW | fresh | {"state": "open"}) == [
        "t-1  99CD01  POVO  placement  open",
        "  nothing has been sent yet",
    ]
    assert shown(at, "transfer list", ROW | fresh | {"state": "cancelled"}) == [
        "t-1  99CD01  POVO  placement  cancelled"
    ]
    assert [asked.path for asked in at.service.asked] == ["/v1/transfers?side=sender"] * 3


def test_a_receiver_sees_what_is_there_and_what_became_of_what_it_opened(at: School) -> None:
    new = ROW | {"state": "open", "applied": False, "bundle": None, "opened": [], "withdrawn": [], "superseded": False}
    assert shown(at, "inbox", new | {"acknowledgement": None}) == [
        "t-1  99AB00  POVO  placement  open",
        "  the aanmelding isn't confirmed: handover transfer apply t-1",
        "  nothing has come yet",
    ]
    done = {
        "applied": True,
        "bundle": SENT["bundle"],
        "opened": ["okr", "lvs"],
        "withdrawn": ["lvs"],
        "superseded": True,
    }
    for placed, outcome in ((True, "placed"), (False, "not placed")):
        said = {"received_at": "2026-11-21T23:00:00Z", "placed": placed}
        assert shown(at, "inbox", new | done | {"superseded": True, "acknowledgement": said}) == [
            "t-1  99AB00  POVO  placement  open",
            "  bundle of 2026-11-21, released until 2026-12-20",
            "  opened okr, lvs",
            "  consent withdrawn since this was opened: lvs",
            "  what was opened is superseded: a newer bundle is there",
            f"  received on 2026-11-22, {outcome}",
        ]
    assert json.loads(at.call("inbox", "--json").out)["transfers"][0]["transfer"] == "t-1"


@pytest.mark.parametrize("change", [{"purpose": "support"}, {"state": "cancelled"}])
def test_an_application_is_asked_for_placement_alone_and_while_the_transfer_is_open(
    at: School, change: dict[str, object]
) -> None:
    new: dict[str, object] = ROW | {"state": "open", "applied": False, "bundle": SENT["bundle"]}
    assert not any("aanmelding" in line for line in shown(at, "inbox", new | change))


def test_a_school_without_transfers_is_told_so(at: School) -> None:
    at.service.answer = lambda asked: as_json({"transfers": [], "next": None})
    assert at.call("inbox").out == "no transfers\n"


@pytest.mark.parametrize("change", [{"bundle": {"uploaded_at": "gisteren"}}, {"bundle": 1}, {"objections": ["e-1"]}])
def test_a_list_of_another_form_is_refused(at: School, change: dict[str, object]) -> None:
    at.service.answer = lambda asked: as_json({"transfers": [SENT | {"state": "cancelled"} | change], "next": None})
    ran = at.call("transfer", "list")
    assert (ran.code != 0, ran.out) == (True, "")
    assert "in a form that this client doesn't know" in ran.err


def test_a_refusal_of_the_service_becomes_lines_and_2(at: School) -> None:
    at.service.answer = lambda asked: problem(422, "RECEIVER_UNKNOWN", "Not known.", **{"/receiver": "Not a school."})
    ran = at.call("transfer", "cancel", "t-1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "handover: RECEIVER_UNKNOWN: Not known.\nhandover: /receiver: Not a school.\n"


def test_what_a_service_says_gets_no_hold_of_the_terminal(at: School) -> None:
    """K7"""
    at.service.answer = lambda asked: problem(403, "NO", "\x1b[2Jgone\r\nhandover: all is well")
    assert "\x1b" not in at.call("transfer", "cancel", "t-1").err


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("inbox",), {"--origin": "http://example.org"}, "https"),
        (("inbox",), {"--role": "koning"}, "koning"),
        (("inbox",), {"--keyfile": "weg.key"}, "does not exist"),
        (("inbox",), {"--keyfile": "n.key"}, "names no school"),
        (("transfer", "cancel", "../x"), {}, "ID_REFUSED"),
        (("transfer", "law", "t-1", "--sections", "cijfers"), {}, "isn't a section"),
        (("fetch", "t-1", "--out", "out"), {}, "HANDOVER_STATE"),
        (("fetch", "t-1", "--out", "out"), {"--state": "state"}, "HANDOVER_ROOT"),
        (("fetch", "t-1", "--out", "out"), {"--state": "state", "--root": "s.pub"}, "not a trust file"),
        (("send", "t-1", "s.pub", "--shares", "s.pub"), {"--root": "s.pub"}, "HANDOVER_STATE"),
    ],
)
def test_settings_that_cannot_be_trusted_stop_a_command(
    at: School, arguments: tuple[str, ...], settings: dict[str, str], says: str
) -> None:
    keys(at.desk.folder, "n")
    ran = at.call(*arguments, **settings)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert at.service.asked == []


def _watching(at: School, log: LogOf) -> dict[str, str]:
    """Let the service show this log's journal, and give the settings under which a school follows it."""
    root = PublicIdentity("root", SignKey.generate("root").public)
    lines = [print_identity_public(root), print_verifier(ORIGIN, KEY.public).encode()]
    at.desk.path("trust.txt").write_bytes(b"\n".join(lines))

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v1/journal/checkpoint":
            return Answer(body=log.journal_checkpoint(), media_type="text/plain")
        if asked.path.startswith("/v1/journal/consistency"):
            old, new = (int(word.partition("=")[2]) for word in asked.path.partition("?")[2].split("&"))
            return as_json({"old": old, "new": new, "proof": [b64(each) for each in log.journal_consistency(old, new)]})
        return as_json({"transfers": [], "next": None})

    at.service.answer = answer
    return {"--root": "trust.txt", "--state": "state"}


def test_the_inbox_follows_the_journal_and_requests_carry_what_was_seen(at: School) -> None:
    """C3"""
    for size in (4, 9):
        assert at.call("inbox", **_watching(at, LogOf.counting(size))).out == "no transfers\n"
    seen = LogOf.counting(9).journal_checkpoint()
    assert at.desk.path("state/journal.checkpoint").read_bytes() == seen
    at.call("transfer", "list", **_watching(at, LogOf.counting(9)))
    asked = [asked for asked in at.service.asked if asked.path.startswith("/v1/transfers")]
    assert ["overdracht-checkpoint" in each.headers for each in asked] == [False, True, True]
    assert asked[-1].headers["overdracht-checkpoint"] == print_checkpoint_header(seen)
    assert all(each.staff for each in asked)


@pytest.mark.parametrize("command", [("inbox",), ("fetch", "t-1", "--out", "out")])
def test_an_older_or_another_journal_stops_the_inbox_and_a_fetch(at: School, command: tuple[str, ...]) -> None:
    """C3, K4"""
    at.call("inbox", **_watching(at, LogOf.counting(9)))
    for log in (LogOf.counting(8), LogOf.counting(9, "other"), LogOf.counting(12, "other")):
        at.service.asked.clear()
        ran = at.call(*command, **_watching(at, log))
        assert ran.code == 2
        assert "older than the one you have seen, or another: it was put back or forked" in ran.err
        assert len(ran.err.splitlines()) == 1
        assert not any(asked.path.startswith("/v1/transfers") for asked in at.service.asked)
    assert not at.desk.path("out").exists()
