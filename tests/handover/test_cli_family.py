"""The commands of a guardian, and those with which a school answers: what they ask of the service, print and refuse."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent.terms import Right, Ruling
from handover.asked import OBJECTION
from handover.cli import wording
from tests.handover.loopback import Answer, Asked, Service, as_json, problem, service
from tests.handover.samples import Desk, Ran, keys

TOKEN = "A" * 22 + "." + "B" * 43
REQUEST = "018f2f5e-0000-7000-8000-000000000001"
ROW = {
    "at": "2027-03-01T12:00:00.000000Z",
    "nl": "De mentor van school 22BB00 heeft dit gekregen.",
    "en": "The mentor of school 22BB00 received this.",
}
NOTICE = {
    "transfer": "t-1",
    "events": [REQUEST],
    "notice": {"sha256": "0" * 64, "text": "Lees dit eerst."},
    "sections": [
        {"section": "okr", "name": "Onderwijskundig rapport", "choice": True, "answer": None, "requirement": "consent"},
        {"section": "opp", "name": "Ontwikkelingsperspectief", "choice": True, "answer": "no"},
        {"section": "lvs", "name": "Toetsen en cijfers", "choice": False, "requirement": "statutory", "version": "v-1"},
        {"section": "attendance", "name": "Verzuim", "choice": False, "requirement": "statutory", "version": None},
        {"section": "reports", "name": "Onderzoeken", "choice": True, "answer": "yes", "version": "v-2"},
    ],
}
STANDS = (
    "Onderwijskundig rapport (okr): nog geen antwoord\nOntwikkelingsperspectief (opp): nee\nOnderzoeken (reports): ja"
)
READ = (
    "Vastgelegd als gelezen: Toetsen en cijfers (lvs).\n"
    "Klaar met lezen, en geen bedenktijd meer nodig? Dan: handover family read --done."
)
RECEIVED = (
    "Met --json staat hier alles. Dit hebben anderen gekregen:\n"
    "1 maart 2027  De mentor van school 22BB00 heeft dit gekregen."
)
STOP = {"nl": "De school moet dit bewaren.", "basis": "AVG art. 17 lid 3 onder b", "until": None}


@dataclass
class Home:
    desk: Desk
    service: Service

    def call(self, *arguments: str) -> Ran:
        return self.desk.call("family", *arguments, "--origin", self.service.origin, "--token-file", "code")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "code").write_text(f"{TOKEN}\n")
    (tmp_path / "words").write_text("Het advies klopt niet.\n")
    (tmp_path / "nothing").write_text(" \n")
    with service() as running:
        yield Home(Desk(tmp_path), running)


COMMANDS = [
    (("withdraw", "--sections", "lvs,okr", "--destroy"),
     {"withdrawal": {"sections": ["okr", "lvs"], "destroy_now": True}}, {"events": [], "opened": ["okr", "lvs"]},
     "geopend: Onderwijskundig rapport (okr), Toetsen en cijfers (lvs)."),
    (("withdraw", "--sections", "okr"),
     {"withdrawal": {"sections": ["okr"], "destroy_now": False}}, {"events": [], "opened": []}, "geopend: niets."),
    (("question",), {"question": {}}, NOTICE, f"Lees dit eerst.\n{STANDS}"),
    (("answer", "--yes", "okr,lvs", "--no", "reports"),
     {"question": {}, "answers": {"notice": "0" * 64, "answers": {"okr": "yes", "lvs": "yes", "reports": "no"}},
      "question ": {}}, NOTICE, f"Vastgelegd. Dit is nu het antwoord:\n{STANDS}"),
    (("read",), {"question": {}, "inzage": {"versions": {"lvs": "v-1"}, "done": False}}, NOTICE, READ),
    (("read", "--sections", "reports", "--done"),
     {"question": {}, "inzage": {"versions": {"reports": "v-2"}, "done": True}}, NOTICE,
     "gelezen: Onderzoeken en verslagen (reports)."),
    (("view", "words", "--travels", "--done"),
     {"view": {"text": "Het advies klopt niet.", "travels": True, "done": True}}, {"events": [REQUEST]},
     "Vastgelegd. Het gaat mee naar de andere school."),
    (("view", "words"), {"view": {"text": "Het advies klopt niet.", "travels": False, "done": False}},
     {"events": [REQUEST]}, "Vastgelegd. Het gaat niet mee naar de andere school."),
    (("object", "words", "--sections", "lvs,okr"),
     {"objection": {"sections": ["okr", "lvs"], "reason": "Het advies klopt niet."}}, {"events": [], "waits": ["okr"]},
     "Het bezwaar is vastgelegd.\nDit blijft hier tot de school heeft beslist: Onderwijskundig rapport (okr)."),
    (("right", "erasure"), {"rights": {"right": "erasure"}},
     {"request": REQUEST, "due": "2027-04-01T22:00:00.000000Z", "answer": {"stops": [STOP]}},
     "De school moet dit bewaren. (AVG art. 17 lid 3 onder b)\nHet antwoord komt uiterlijk op 1 april 2027."),
    (("right", "rectification", "--text", "words", "--sections", "okr"),
     {"rights": {"right": "rectification", "sections": ["okr"], "text": "Het advies klopt niet."}},
     {"request": REQUEST, "due": "2027-04-01T22:00:00.000000Z", "answer": None}, "uiterlijk op 1 april 2027."),
    (("right", "access"), {"rights": {"right": "access"}},
     {"request": REQUEST, "due": "2027-04-01T22:00:00.000000Z", "answer": {"received": [ROW]}}, RECEIVED),
    (("right", "portability"), {"rights": {"right": "portability"}},
     {"request": REQUEST, "due": "2027-04-01T22:00:00.000000Z", "answer": {"said": []}},
     "Met --json staat hier alles."),
    (("requests",), {"requests": {}},
     {"requests": [
         {"asked_at": "2027-02-28T23:30:00Z", "right": "erasure", "state": "refused", "reason": "Nog niet."},
     ]},
     "1 maart 2027  wissen: nee  Nog niet."),
    (("requests",), {"requests": {}}, {"requests": []}, "Er is niets gevraagd."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "asked", "told", "says"), COMMANDS, ids=[" ".join(row[0]) for row in COMMANDS])
def test_a_command_says_what_a_page_would_say(
    home: Home, arguments: tuple[str, ...], asked: dict[str, dict[str, object]], told: object, says: str
) -> None:
    home.service.answer = lambda _: as_json(told)
    ran = home.call(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip().endswith(says)
    assert [(one.path, one.json) for one in home.service.asked] == [
        (f"/v1/family/{what.strip()}", {"token": TOKEN, **body}) for what, body in asked.items()
    ]
    assert home.call(*arguments, "--json").json == told


def test_the_log_is_read_to_its_last_page_in_either_language(home: Home) -> None:
    def answer(asked: Asked) -> Answer:
        body = asked.json
        assert isinstance(body, dict)
        return as_json({"rows": [ROW], "next": 7 if "before" not in body else None})

    home.service.answer = answer
    assert home.call("log").out == f"1 maart 2027, 13:00  {ROW['nl']}\n" * 2
    assert home.service.asked[-1].json == {"token": TOKEN, "before": 7}
    assert home.call("log", "--english").out == f"2027-03-01 13:00  {ROW['en']}\n" * 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("answer",), "say --yes, --no, or both"),
        (("answer", "--yes", "okr", "--no", "okr"), "yes and no at once: okr"),
        (("answer", "--yes", "cijfers"), "isn't a section"),
        (("right", "vergeten"), "vergeten"),
        (("log", "--token", TOKEN), "No such option"),
        (("object", "nothing", "--sections", "okr"), "nothing: empty"),
    ],
)
def test_what_makes_no_sense_asks_the_service_nothing(home: Home, arguments: tuple[str, ...], says: str) -> None:
    ran = home.call(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert home.service.asked == []


def test_a_code_comes_from_a_file_or_a_person_and_is_never_shown(home: Home) -> None:
    home.desk.path("code").write_text("geheim")
    ran = home.call("log")
    assert (ran.code, ran.out) == (2, "")
    assert "geheim" not in ran.err
    bare = home.desk.call("family", "log", "--origin", home.service.origin)
    assert "HANDOVER_TOKEN_FILE" in bare.err
    assert home.service.asked == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("PUPIL_DECIDES", "Uw kind is 16 of ouder en beslist zelf."),
        ("NOT_FOUND", "Deze code werkt niet (meer). Kijk in de nieuwste mail of bel de school."),
        ("SOMETHING_ELSE", "In English."),
    ],
)
def test_a_refusal_of_the_service_becomes_a_line_for_a_family_and_2(home: Home, code: str, says: str) -> None:
    home.service.answer = lambda _: problem(403, code, "In English.")
    ran = home.call("right", "restriction")
    assert (ran.code, ran.err) == (2, f"handover: {code}: {says}\n")


def test_no_line_for_a_family_says_whose_child_it_is_but_to_parents() -> None:
    """A pupil reads the same lines."""
    said = [text for code, text in wording.REFUSALS.items() if code != "PUPIL_DECIDES"]
    assert not [text for text in said if {"u", "uw", "je", "jij"} & set(re.findall(r"\w+", text.lower()))]
    assert set(wording.RIGHTS) == {*map(str, Right), OBJECTION}
    assert {*map(str, Ruling), "answered", "open", "in_force", "lifted"} == set(wording.STATES)


@pytest.mark.parametrize(
    ("named", "says"), [("attendance", "Verzuim (attendance)"), ("okr", "Onderwijskundig rapport")]
)
def test_what_isn_t_there_yet_can_t_have_been_read(home: Home, named: str, says: str) -> None:
    home.service.answer = lambda _: as_json(NOTICE)
    ran = home.call("read", "--sections", named)
    assert ran.code == 2
    assert says in ran.err
    home.service.answer = lambda _: as_json(NOTICE | {"sections": []})
    assert "nog niets om te lezen" in home.call("read").err
    assert {one.path for one in home.service.asked} == {"/v1/family/question"}


@pytest.mark.parametrize("at", [None, "gisteren", "2027-03-01T12:00:00"])
def test_a_moment_of_another_form_is_no_fault_of_the_program(home: Home, at: str | None) -> None:
    home.service.answer = lambda _: as_json({"rows": [ROW | {"at": at}], "next": None})
    ran = home.call("log")
    assert (ran.code, ran.out) == (2, "")
    assert "doesn't know" in ran.err


@pytest.mark.parametrize("told", [{"rows": None, "next": None}, {"rows": [1], "next": None}, {"rows": [], "next": "x"}])
def test_an_answer_of_another_form_is_refused(home: Home, told: object) -> None:
    home.service.answer = lambda _: as_json(told)
    ran = home.call("log")
    assert (ran.code, ran.out) == (2, "")
    assert "doesn't know" in ran.err


# ---- the school


@dataclass
class School:
    desk: Desk
    service: Service

    def call(self, *arguments: str) -> Ran:
        settings = ("--origin", self.service.origin, "--keyfile", "s.key", "--staff", "s-1", "--role", "principal")
        return self.desk.call("request", *arguments, *settings)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = keys(tmp_path, "s", "99AB00")
    (tmp_path / "why").write_text("Wij hebben het uitgezocht.\n")
    with service({made.request.kid: made.request.public}) as running:
        yield School(Desk(tmp_path), running)


ANSWERS = [
    (("decide", "r-1", "--ruling", "refused", "--reason", "why", "--article", "AVG art. 16"),
     "/v1/requests/r-1/decision",
     {"ruling": "refused", "reason": "Wij hebben het uitgezocht.", "article": "AVG art. 16"}),
    (("lift", "r-1", "--reason", "why"), "/v1/requests/r-1/lifting", {"reason": "Wij hebben het uitgezocht."}),
    (("objection", "t-1", "e-1", "--upheld", "--reason", "why"), "/v1/transfers/t-1/objections/e-1/decision",
     {"upheld": True, "reason": "Wij hebben het uitgezocht."}),
    (("objection", "t-1", "e-1", "--dismissed", "--reason", "why"), "/v1/transfers/t-1/objections/e-1/decision",
     {"upheld": False, "reason": "Wij hebben het uitgezocht."}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "path", "body"), ANSWERS, ids=[" ".join(row[0]) for row in ANSWERS])
def test_a_school_answers_once_and_signed(school: School, arguments: tuple[str, ...], path: str, body: object) -> None:
    school.service.answer = lambda _: as_json({"request": "r-1", "event": "e-1", "proposal": "p-1"})
    ran = school.call(*arguments)
    assert ran.code == 0, ran.err
    [asked] = school.service.asked
    assert (asked.path, asked.json, asked.staff) == (path, body, '"s-1";role=principal')


def test_the_list_shows_each_request_with_its_words_and_the_days_that_are_left(school: School) -> None:
    who = {"person": "g-1", "role": "guardian", "pupil": "p-1", "transfer": "t-1"}
    row = who | {"request": "r-1", "right": "erasure", "state": "open", "due": "2027-04-01T22:00:00.000000Z"}
    row |= {"days_left": 3, "sections": [], "text": "Wis alles.\n\x1b[2JNu."}
    frozen = who | {"request": "r-0", "right": "restriction", "state": "in_force", "due": None, "days_left": None}
    frozen |= {"sections": ["okr", "lvs"], "text": ""}
    pages = iter([as_json({"requests": [row], "next": 7}), as_json({"requests": [frozen], "next": None})])
    school.service.answer = lambda _: next(pages)
    assert school.call("list").out.splitlines() == [
        "r-1  erasure  open  answer by 2027-04-01, 3 days left",
        "  g-1 (guardian), pupil p-1, transfer t-1",
        "    Wis alles.",
        "    \N{REPLACEMENT CHARACTER}[2JNu.",
        "r-0  restriction  in_force",
        "  g-1 (guardian), pupil p-1, transfer t-1, about okr, lvs",
    ]
    assert [asked.path for asked in school.service.asked] == ["/v1/requests", "/v1/requests?cursor=7"]
    assert all(asked.staff for asked in school.service.asked)
    school.service.answer = lambda _: as_json({"requests": [], "next": None})
    assert school.call("list").out == "nothing waits\n"


def test_a_decision_needs_its_reason(school: School) -> None:
    (school.desk.folder / "why").write_text(" \n")
    for asked in (("lift", "r-1"), ("objection", "t-1", "e-1", "--upheld")):
        ran = school.call(*asked, "--reason", "why")
        assert (ran.code, school.service.asked) == (2, [])
        assert "a reason is needed" in ran.err


def test_an_objection_is_decided_one_way_or_the_other(school: School) -> None:
    ran = school.call("objection", "t-1", "e-1", "--reason", "why")
    assert (ran.code, school.service.asked) == (2, [])
    assert "--upheld" in ran.err
