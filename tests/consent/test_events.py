import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ConsentError, EventRefused
from consent.events import FIELDS, Author, Draft, Event, Holder, Kind, UnknownEvent, from_terms, new_id, to_terms
from consent.fields import CODECS, by_terms, read_by
from consent.terms import Ground, Level, Policy, PolicyKind, Role
from tests.consent.story import DEFAULTS, PUPIL, VECTORS, Story, T, who

STORED = json.loads((VECTORS / "decisions-terms.json").read_text())
BORN = date(2015, 1, 1)
NO_PUPIL = {"POLICY", "ROLLBACK"}
EMERGENCY = "withdraws: an EMERGENCY has its ground, second person and end, or it ends another"
ID = "0190b0f0-0000-7000-8000-000000000001"


def read(terms, kind=Kind.GRANT, subject=PUPIL, by=None):
    return from_terms(kind, terms, subject=subject, by=by or who("g1"), number=4, index=7, recorded_at=T)


def grant_terms(**changed):
    return next(row["terms"] for row in STORED if row["kind"] == "GRANT") | changed


@pytest.mark.parametrize("row", STORED, ids=lambda row: row["kind"])
def test_stored_terms_are_read_and_printed_the_same(row):
    event = read(row["terms"], Kind[row["kind"]], None if row["kind"] in NO_PUPIL else PUPIL)
    assert isinstance(event, Event)
    assert (event.kind.name, event.number, event.index, event.recorded_at) == (row["kind"], 4, 7, T)
    assert event.to_terms() == row["terms"]
    assert {name for name in CODECS if getattr(event, name) not in (None, False)} | {"upheld"} >= set(row["terms"]) - {
        "v",
        "id",
    }


def test_every_kind_has_stored_terms_with_every_field_that_it_may_carry():
    carried = {}
    for row in STORED:
        carried.setdefault(row["kind"], set()).update(set(row["terms"]) - {"v", "id", "key"})
    assert carried == {kind.name: set(needed | allowed) for kind, (needed, allowed) in FIELDS.items()}


def test_the_type_bytes_are_pinned():
    first, second = [kind.name for kind in sorted(Kind)][:8], [kind.name for kind in sorted(Kind)][8:]
    assert first == ["GRANT", "REFUSE", "WITHDRAW", "INZAGE", "VIEW", "OBJECT", "OBJECTION_DECIDED", "APPLIED"]
    assert second[:5] == ["STATUTORY", "RESTRICT", "HOLD", "CUSTODY", "COURT"]
    assert second[5:] == ["SUCCESSOR", "EMERGENCY", "POLICY", "REQUEST", "REQUEST_DECIDED", "ROLLBACK"]
    assert [int(kind) for kind in sorted(Kind)] == [*range(1, 17), *range(19, 22)]  # 17 and 18 are the journal's own


@pytest.mark.parametrize("row", STORED, ids=lambda row: row["kind"])
def test_a_needed_field_that_is_missing_is_refused(row):
    kind = Kind[row["kind"]]
    for name in FIELDS[kind][0]:
        with pytest.raises(EventRefused, match=f"^{row['kind']}: {name} is missing$"):
            read({key: value for key, value in row["terms"].items() if key != name}, kind)
    with pytest.raises(EventRefused, match="key: not of its form"):
        read({key: value for key, value in row["terms"].items() if key != "key"}, kind)


@pytest.mark.parametrize("row", STORED, ids=lambda row: row["kind"])
def test_a_field_of_another_kind_is_refused(row):
    kind = Kind[row["kind"]]
    for name in set(CODECS) - set().union(*FIELDS[kind]) - {"key"}:
        with pytest.raises(EventRefused, match=f"^{row['kind']}: {name} is not a field of it$"):
            read(row["terms"] | {name: True}, kind)
    with pytest.raises(EventRefused, match="surname is not a field"):
        read(row["terms"] | {"surname": "x"}, kind)


@pytest.mark.parametrize("spoilt", json.loads((VECTORS / "decisions-refused.json").read_text()), ids=str)
def test_every_other_spelling_of_a_value_is_refused(spoilt):
    kind, name, value = spoilt
    terms = next(row["terms"] for row in STORED if row["kind"] == kind and name in row["terms"])
    with pytest.raises(EventRefused, match=f"^({name}|kind or id): not of its form$"):
        read(terms | {name: value}, Kind[kind], None if kind in NO_PUPIL else PUPIL)


NOTICE = {"id": "n" * 64, "version": 1, "language": "nl", "sha256": "5" * 64}
CHOICE = {"kind": "wettelijk", "waiting_days": 0, "consent_level": 1, "explicit_level": 3}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("GRANT", "key", "k" * 128),
        ("GRANT", "article", " " * 119 + "~"),
        ("GRANT", "witness", "w" * 80),
        ("GRANT", "notice", NOTICE),
        ("GRANT", "notice", NOTICE | {"version": 2**31}),
        ("POLICY", "policy", CHOICE),
        ("POLICY", "policy", CHOICE | {"waiting_days": 366}),
        ("INZAGE", "versions", {"okr": "v" * 64}),
        ("COURT", "stands_for", "p" * 64),
        ("CUSTODY", "birth_date", "1900-01-01"),
        ("CUSTODY", "birth_date", "2999-12-31"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_smallest_and_the_largest_value_are_read_and_printed_the_same(kind, name, value):
    terms = next(row["terms"] for row in STORED if row["kind"] == kind and name in row["terms"]) | {name: value}
    event = read(terms, Kind[kind], None if kind in NO_PUPIL else PUPIL)
    assert event.to_terms() == terms


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("POLICY", "policy", CHOICE | {"waiting_days": 367}),
        ("POLICY", "policy", CHOICE | {"waiting_days": -1}),
        ("GRANT", "notice", NOTICE | {"version": 2**31 + 1}),
        ("GRANT", "notice", NOTICE | {"id": "n" * 65}),
        ("GRANT", "article", "a" * 121),
        ("GRANT", "article", ""),
        ("GRANT", "witness", "w" * 81),
        ("GRANT", "key", "k" * 129),
    ],
    ids=lambda value: str(value)[:30],
)
def test_nothing_beyond_is_read(kind, name, value):
    terms = next(row["terms"] for row in STORED if row["kind"] == kind and name in row["terms"]) | {name: value}
    with pytest.raises(EventRefused, match=f"^{name}: not of its form$"):
        read(terms, Kind[kind], None if kind in NO_PUPIL else PUPIL)


@pytest.mark.parametrize("terms", [None, [], "v", 1, {}, {"v": "1"}, {"v": True}, {"v": 1.0}, {"v": None}])
def test_what_isn_t_terms_is_refused(terms):
    with pytest.raises(EventRefused, match="v: missing"):
        read(terms)


@pytest.mark.parametrize("type_", [0, 17, 18, 22])
def test_a_type_byte_without_a_kind_is_refused(type_):
    with pytest.raises(EventRefused, match="kind or id"):
        read(grant_terms(), type_)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(anything)
def test_whatever_stands_in_a_field_is_refused_or_printed_back_the_same(value):
    for name in CODECS:
        for kind, (needed, allowed) in FIELDS.items():
            if name in needed | allowed and kind.name not in NO_PUPIL:
                terms = next(row["terms"] for row in STORED if row["kind"] == kind.name) | {name: value}
                try:
                    assert read(terms, kind).to_terms() == terms
                except ConsentError:
                    break


def test_a_later_schema_version_is_kept_as_such():
    assert read({"v": 2, "whatever": 1}) == UnknownEvent(version=2, subject=PUPIL, number=4, index=7, recorded_at=T)
    assert read({"v": 0}, 99, None) == UnknownEvent(version=0, subject=None, number=4, index=7, recorded_at=T)


def test_i4_a_naive_time_is_refused():
    draft = Story().tell("GRANT", "g1")
    with pytest.raises(EventRefused, match="valid_until: not of its form"):
        replace(draft, valid_until=datetime(2028, 1, 1)).to_terms()  # noqa: DTZ001


def test_a_time_is_printed_in_utc_whatever_its_zone():
    late = datetime(2028, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert (
        replace(Story().tell("GRANT", "g1"), valid_until=late).to_terms()["valid_until"]
        == "2027-12-31T23:30:00.000000Z"
    )


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("GRANT", {"subject": None}, "subject: one for every kind but POLICY and ROLLBACK"),
        ("GRANT", {"ground": Ground.STATUTORY}, "ground: a grant is consent or explicit consent"),
        ("GRANT", {"valid_from": T, "valid_until": T}, "valid_until: not after valid_from"),
        ("EMERGENCY", {"second": "g1"}, "second: the same person as the first"),
        *(("EMERGENCY", {name: None}, EMERGENCY) for name in ("emergency", "second", "valid_until")),
        ("EMERGENCY", {"withdraws": ID}, EMERGENCY),
        ("EMERGENCY", {"withdraws": ID, "second": None, "valid_until": None}, EMERGENCY),
        (
            "CUSTODY",
            {"holders": (Holder("g1", Role.GUARDIAN, date(2027, 2, 2)),)},
            "holders: gezag that begins after it was checked",
        ),
        (
            "CUSTODY",
            {"holders": (Holder("g1", Role.PUPIL, date(2015, 1, 1)),)},
            "holders: a role that can't hold gezag",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused(kind, changed, message):
    event = replace(Story().tell(kind, "g1"), **changed)
    with pytest.raises(EventRefused, match=f"^{message}$"):
        event.to_terms()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ground": "statutory"}, "ground: a grant is consent or explicit consent"),
        ({"valid_from": "2030-01-01T00:00:00.000000Z"}, "valid_until: not after valid_from"),
    ],
    ids=["ground", "times"],
)
def test_stored_fields_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises(EventRefused, match=f"^{message}$"):
        read(grant_terms(**changed))


def test_of_several_wrong_fields_the_first_is_named():
    with pytest.raises(EventRefused, match=r"^GRANT: age is not a field of it$"):
        read(grant_terms(surname="x", age=9))


def test_a_policy_has_no_subject():
    draft = Draft(kind=Kind.POLICY, key="k", by=who("s1"), board="ab", policy=Policy(PolicyKind.WETTELIJK))
    assert to_terms(draft, ID)["policy"]["kind"] == "wettelijk"
    with pytest.raises(EventRefused, match="subject"):
        to_terms(replace(draft, subject=PUPIL), ID)


def test_gezag_that_begins_on_the_day_of_the_check_is_fine():
    event = Story().tell("CUSTODY", "s1")
    assert replace(event, holders=(Holder("g1", Role.GUARDIAN, date(2027, 2, 1)),)).to_terms()


def test_gezag_of_one_of_several_that_begins_after_the_check_is_refused():
    event = Story().tell("CUSTODY", "s1", holders=["g1", "g2"])
    late = replace(event.holders[1], since=event.checked_on + timedelta(days=1))
    with pytest.raises(EventRefused, match="holders: gezag that begins after it was checked"):
        replace(event, holders=(event.holders[0], late)).to_terms()


def test_what_the_law_says_may_begin_and_never_end():
    event = replace(Story().tell("STATUTORY", "s1"), valid_from=T, valid_until=None)
    assert "valid_until" not in event.to_terms()


def test_a_grant_may_last_a_microsecond():
    assert replace(Story().tell("GRANT", "g1"), valid_from=T, valid_until=T + timedelta(microseconds=1)).to_terms()


def test_an_actor_is_printed_and_read_back():
    actor = Author("g1", Role.VOOGD, Level.HIGH)
    assert by_terms(actor) == {"role": "voogd", "level": 3}
    assert read_by("g1", by_terms(actor)) == actor


@pytest.mark.parametrize(
    "details", [None, {}, {"role": "voogd"}, {"role": "voogd", "level": 4}, {"role": "voogd", "level": True}]
)
def test_another_form_of_an_actor_is_refused(details):
    with pytest.raises(EventRefused, match=r"^by: not of its form$"):
        read_by("g1", details)


def test_an_id_is_a_uuid_of_version_7_that_carries_its_millisecond():
    made = new_id(datetime(2027, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC))
    assert made.replace("-", "")[:12] == f"{int(datetime(2027, 3, 1, 12, tzinfo=UTC).timestamp()) * 1000 + 999:012x}"
    assert read(grant_terms(id=made)).id == made
    ids = {new_id(T) for _ in range(500)}
    assert len(ids) == 500
    assert {each[14] for each in ids} == {"7"}
    assert {each[19] for each in ids} == set("89ab")
    assert new_id(T) < new_id(T + timedelta(milliseconds=1))


def test_the_rest_of_an_id_is_random():
    """RFC 9562 section 5.7: 12 bits after the version, 62 after the variant. Each is seen as 0 and as 1."""
    free = (1 << 12) - 1 << 64 | (1 << 62) - 1
    ones = zeros = 0
    for _ in range(10_000):
        value = int(new_id(T).replace("-", ""), 16)
        ones, zeros = ones | value, zeros | ~value
        if ones & zeros & free == free:
            break
    assert ones & zeros & ((1 << 128) - 1) == free


def test_messages_never_hold_a_value():
    with pytest.raises(EventRefused) as refused:
        read(grant_terms(sender="Jansen"))
    assert "Jansen" not in str(refused.value)


def test_every_kind_with_a_subject_can_be_told():
    more = {
        Kind.COURT: {"stands_for": "g2"},
        Kind.OBJECTION_DECIDED: {"objection": ID},
        Kind.SUCCESSOR: {"successor": "99EF00"},
        Kind.REQUEST_DECIDED: {"request": ID},
    }
    for kind in {kind for kind in Kind if kind.name not in NO_PUPIL}:
        assert Story().tell(kind.name, "s1", **DEFAULTS[kind] | more.get(kind, {})).to_terms()["v"] == 1
