"""A breach report: whose files, which sections and schools, by whom, what was released and what was only tried."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from consent.entry import section_bits
from consent.touched import Period, Total
from handover.accesslog import SERVICE, Did
from handover.breach import Counts, Report, how_far, kind_name, lines, report
from handover.cli import main
from tests.handover.story import OTHER, PO, VO, Case, Story
from tests.region import now

HOUR = timedelta(hours=1)
OKR, LVS = section_bits(("okr",)), section_bits(("lvs",))


def today() -> Period:
    """Give the days, whole, of what a test does, also around midnight."""
    begin = datetime.combine(now().date(), time.min, UTC)
    return Period(begin - timedelta(days=1), begin + timedelta(days=2))


def lately() -> Period:
    """Give the same by the hour, so that no day is meant whole."""
    return Period(now() - HOUR, now() + HOUR)


def made(story: Story, board: str, period: Period) -> Report:
    return report(story.region.parts, SERVICE, board, period, lambda done, of: None)


def happened(story: Story) -> Case:
    """Let a receiver get one section, be refused another, and somebody else try."""
    case = story.agreed("okr")
    case.ask("okr")
    case.ask("lvs", status=403)
    story.region.release(OTHER, case.transfer, "okr")
    return case


@pytest.mark.parametrize("period", [today, lately])
def test_the_senders_board_sees_whose_file_was_touched_by_whom_and_how_far(
    story: Story, period: Callable[[], Period]
) -> None:
    case = happened(story)
    before = story.size()
    found = made(story, "po-noord", period())
    assert (found.released, found.tried, found.emergency, found.erased) == (1, 1, 0, 0)
    assert found.became == {"delivered": 1}
    counts = found.pupils[case.child.pupil]
    assert (counts.released, counts.tried) == (1, 1)
    assert (counts.sections_released, counts.sections_tried) == (OKR, LVS)
    assert set(found.pupils) == {case.child.pupil}
    assert found.persons.keys() >= {f"{PO}.s-1", f"{VO}.s-1"}
    assert (found.persons[f"{VO}.s-1"].released, found.persons[f"{PO}.s-1"].released) == (1, 0)
    assert found.schools[VO].sections_released == OKR
    assert found.sections["okr"].released == found.sections["lvs"].tried == 1
    assert found.kinds["RELEASE"] == 2
    assert found.transfers == {}
    assert found.last == before - 2  # the newest entry of this board: the attempt after it is another's
    assert story.journal(Did.BREACH_REPORTED)[-1].boards.keys() == {"po-noord"}


@pytest.mark.parametrize("period", [today, lately])
def test_the_receivers_board_knows_another_boards_pupil_by_the_transfer_alone(
    lite: Story, period: Callable[[], Period]
) -> None:
    case = happened(lite)
    found = made(lite, "vo-zuid", period())
    assert (found.released, found.tried) == (1, 1)
    assert found.pupils == {}
    assert found.transfers == {case.transfer: Counts(1, 1, 0, OKR, 0)}
    assert case.child.pupil not in json.dumps(found.to_json())
    assert "persons" in found.to_json()


def test_an_attempt_on_what_is_not_theirs_is_on_the_report_of_who_tried(lite: Story) -> None:
    happened(lite)
    found = made(lite, "vo-oost", today())
    assert (found.released, found.tried) == (0, 1)
    assert found.schools[OTHER].tried == 1
    assert found.kinds["ATTEMPT"] == 1


def test_what_lies_outside_the_period_is_left_out(lite: Story) -> None:
    happened(lite)
    ahead = made(lite, "po-noord", Period(now() + HOUR, now() + 2 * HOUR))
    behind = made(lite, "po-noord", Period(now() - timedelta(days=9), now() - timedelta(days=8)))
    for found in (ahead, behind):
        assert (found.entries, found.released, found.tried, found.pupils) == (0, 0, 0, {})
    assert made(lite, "vo-zuid", Period(now() + HOUR, now() + 2 * HOUR)).transfers == {}
    assert made(lite, "vo-zuid", Period(behind.since, behind.until)).transfers == {}
    assert behind.first is None
    assert "nothing was logged" in "\n".join(lines(behind))


def test_an_erased_pupil_is_counted_and_not_named(lite: Story) -> None:
    case, other = happened(lite), happened(lite)
    journal = lite.region.parts.journal
    with journal.act(pupil=case.child.pupil) as act:
        about = len(journal.of_pupil(act.session, case.child.pupil))
        journal.erase(act, case.child.pupil, SERVICE, ("po-noord",))
    found = made(lite, "po-noord", today())
    assert (found.erased, found.kinds["ERASE"]) == (about, 1)
    assert set(found.pupils) == {other.child.pupil}
    assert f"{about} about erased pupils" in "\n".join(lines(found))


def test_a_report_is_logged_before_anything_is_counted_and_not_without(lite: Story) -> None:
    """K5, K6"""
    happened(lite)

    def stop(done: int, of: int) -> None:
        raise RuntimeError(f"{done} of {of}")

    with pytest.raises(RuntimeError, match="of"):
        report(lite.region.parts, SERVICE, "po-noord", today(), stop)
    assert len(lite.journal(Did.BREACH_REPORTED)) == 1
    (entry,) = lite.journal(Did.BREACH_REPORTED)
    assert entry.terms.keys() == {"since", "until"}


def test_progress_reaches_its_end(lite: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    happened(lite)
    monkeypatch.setattr("consent.touched.SPAN", 4)
    heard: list[tuple[int, int]] = []
    found = report(lite.region.parts, SERVICE, "po-noord", today(), lambda *done: heard.append(done))
    whole = made(lite, "po-noord", today())
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1]
    assert found.pupils == whole.pupils


def test_an_entry_counts_by_its_type_and_outcome() -> None:
    assert how_far(Did.RELEASE, "granted") == "released"
    assert how_far(Did.RELEASE, "WITHDRAWN") == how_far(Did.RELEASE, "refused") == "tried"
    assert how_far(Did.ATTEMPT, "refused") == "tried"
    assert how_far(Did.DELIVERED, "delivered") is how_far(Did.UPLOADED, "granted") is None
    assert (kind_name(0x27), kind_name(0x01), kind_name(0xFE)) == ("RELEASE", "GRANT", "TYPE_FE")


def test_an_emergency_is_counted_as_one(lite: Story) -> None:
    found = Report("po-noord", now(), now())
    found.add(Total(Did.RELEASE, "released", "emergency", OKR | LVS, erased=False, count=3))
    found.add(Total(Did.RELEASE, "released", "consent", OKR, erased=False, count=1))
    found.add(Total(Did.RELEASE, None, None, 0, erased=True, count=2))
    assert (found.entries, found.released, found.emergency, found.erased) == (6, 4, 3, 2)
    assert found.sections == {"okr": Counts(4, 4, 0, OKR, 0), "lvs": Counts(3, 3, 0, LVS, 0)}
    assert found.kinds == {"RELEASE": 4}


@contextmanager
def at_home(story: Story) -> Iterator[dict[str, str]]:
    """Let the command line find the story's service."""
    region = story.region
    home = region.folder
    said = {"origin": region.settings.origin, "log": region.settings.log, "root": region.root.public.hex()}
    (home / "service.json").write_text(json.dumps(said))
    yield {"HANDOVER_HOME": str(home), "HANDOVER_KEYSTORE_URL": region.settings.keystore_url}


def run(story: Story, *words: str) -> Any:
    with at_home(story) as env:
        return CliRunner().invoke(main, ["admin", *words], env=env, catch_exceptions=False)


def test_the_command_reports_each_board_or_one(lite: Story) -> None:
    case = happened(lite)
    tomorrow, yesterday = str(now().date() + timedelta(days=2)), str(now().date() - timedelta(days=1))
    shown = run(lite, "breach", "--since", yesterday, "--until", tomorrow, "--json")
    assert shown.exit_code == 0, shown.output
    told = {one["board"]: one for one in json.loads(shown.stdout)["reports"]}
    assert told.keys() == {"po-noord", "vo-zuid", "vo-oost"}
    assert told["po-noord"]["pupils"][case.child.pupil]["sections_released"] == ["okr"]
    one = run(lite, "breach", "--since", yesterday, "--until", f"{tomorrow}T00:00:00Z", "--board", "po-noord")
    assert one.exit_code == 0
    assert "releases: 1 granted (0 as an emergency), 1 only tried" in one.stdout
    assert f"    {case.child.pupil}: 1 released (okr), 1 tried (lvs), " in one.stdout
    assert "vo-zuid" not in one.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "2027-03-01", "--until", "2027-03-01"),
        ("--since", "2027-03-02", "--until", "2027-03-01"),
        ("--since", "2027-03-01T10:00:00", "--until", "2027-03-02"),
        ("--since", "1 maart", "--until", "2027-03-02"),
        ("--since", "2027-02-30", "--until", "2027-03-02"),
        ("--since", "2027-03-01", "--until", "2027-03-02", "--board", "nobody"),
    ],
)
def test_i4_what_is_no_period_or_no_board_is_refused(lite: Story, words: tuple[str, ...]) -> None:
    refused = run(lite, "breach", *words)
    assert refused.exit_code == 2
    assert lite.journal(Did.BREACH_REPORTED) == []
