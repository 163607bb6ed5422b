"""What an FG's own looks leave in the log: enough to see who looked for what, and of whom no longer than its term."""

from datetime import timedelta

import time_machine

from handover import audit
from handover.accesslog import Did
from handover.sweeping import sweep
from tests.handover.story import PO, Story
from tests.region import expect, now

BOARD = "po-noord"


def look(story: Story, person: str) -> str:
    """Search for a person's entries; gives what the log keeps of whom was looked for."""
    expect(story.region.examine(BOARD, "POST", "/v1/audit/search", {"person": person}), 200)
    return str(story.journal(Did.AUDIT_SEARCHED)[-1].terms["person"])


def test_a_search_for_a_person_leaves_the_tags_of_that_persons_years_and_no_name(lite: Story) -> None:
    region = lite.region
    region.dpo(BOARD)
    region.pupil(PO)
    [this_year] = region.parts.keystore.years_of(f"{PO}.s-1")
    assert look(lite, f"{PO}.s-1") == this_year.tag.hex()
    with time_machine.travel(now() + timedelta(days=366)):
        region.pupil(PO)
        both = [key.tag.hex() for key in region.parts.keystore.years_of(f"{PO}.s-1")]
        assert (len(both), look(lite, f"{PO}.s-1")) == (2, " ".join(both))
    assert all(f"{PO}.s-1" not in str(dict(entry.terms)) for entry in lite.journal(Did.AUDIT_SEARCHED))


def test_who_is_unknown_is_nobody_whatever_was_typed(lite: Story) -> None:
    lite.region.dpo(BOARD)
    assert look(lite, "Jan.Jansen") == "nobody"


def test_after_the_term_of_a_persons_year_nothing_tells_any_more_whom_an_fg_looked_for(lite: Story) -> None:
    """J7: the entry stays, and what it says leads to nobody."""
    region = lite.region
    region.dpo(BOARD)
    region.pupil(PO)
    kept = look(lite, f"{PO}.s-1")
    with time_machine.travel(now() + timedelta(days=7 * 366)):
        region.parts.journal.start()
        sweep(region.parts, accept=1.0, accept_clock=True)
        assert audit.tags_of(region.parts, f"{PO}.s-1") == "nobody"
        assert lite.journal(Did.AUDIT_SEARCHED)[-1].terms["person"] == kept
