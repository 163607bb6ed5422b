"""The words of a consent and the table of grounds: the closed lists of law and format, as data.

Nothing here decides. `ground` looks a cell up; `consent.rule` says what the cell asks for. A jurist confirms the cells
and the articles' present numbers before production: change a cell here, and nowhere else.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from crypto.encoding import BOARD, SCHOOL


class Section(StrEnum):
    """A part of a dossier that is decided on by itself. The order is the order everywhere."""

    OKR = "okr"
    OPP = "opp"
    LVS = "lvs"
    ATTENDANCE = "attendance"
    SUPPORT = "support"
    REPORTS = "reports"
    VIEWS = "views"
    HANDOVER_NOTES = "handover_notes"


SPECIAL: Final = frozenset({Section.SUPPORT, Section.REPORTS})
"""Sections that tell of health or care: special categories of personal data (AVG art. 9)."""


class Purpose(StrEnum):
    """What a dossier is sent for. Another purpose is another question."""

    PLACEMENT = "placement"  # plaatsing na aanmelding
    SUPPORT = "support"  # ondersteuning en begeleiding
    FOLLOW_UP = "follow_up"  # terugkoppeling over de loopbaan


class Route(StrEnum):
    """From which kind of school to which (OSO writes WECVO and WECMBO for the last but one and the last)."""

    POPO = "POPO"
    POVO = "POVO"
    SOVO = "SOVO"
    VOVO = "VOVO"
    VSOVO = "VSOVO"
    VOMBO = "VOMBO"
    VSOMBO = "VSOMBO"


class PolicyKind(StrEnum):
    """What a board asks for before the closed dataset of the law leaves: everybody's yes, or inzage under the law."""

    TOESTEMMING = "toestemming"
    WETTELIJK = "wettelijk"


class Ground(StrEnum):
    """What authorises a section: the entry that must stand in the ledger."""

    CONSENT = "consent"  # AVG art. 6(1)(a)
    EXPLICIT_CONSENT = "explicit_consent"  # AVG art. 9(2)(a); covers what CONSENT covers
    STATUTORY = "statutory"  # AVG art. 6(1)(c) and (e)
    EMERGENCY = "emergency"  # AVG art. 6(1)(c) and (d)
    VIEW = "view"  # a zienswijze that its writer lets travel with what is released


class Role(StrEnum):
    """As what somebody records an event."""

    GUARDIAN = "guardian"
    VOOGD = "voogd"
    GI = "gi"  # gecertificeerde instelling that exercises guardianship
    PUPIL = "pupil"
    COURT = "court"
    STAFF = "staff"


HOLDER_ROLES: Final = frozenset({Role.GUARDIAN, Role.VOOGD, Role.GI})
"""Those who can hold gezag (BW 1:245, 1:302)."""

FAMILY_ROLES: Final = HOLDER_ROLES | {Role.PUPIL}
"""Those who speak for the child, not for a school."""


class Level(IntEnum):
    """How surely somebody was recognised (Regulation (EU) 910/2014 art. 8). An invitation's token alone is LOW."""

    LOW = 1
    SUBSTANTIAL = 2
    HIGH = 3


class EmergencyGround(StrEnum):
    """Why a release may go before the family's answer. The list is closed."""

    VITAL_INTEREST = "vitaal_belang"  # AVG art. 6(1)(d), 9(2)(c)
    MELDCODE = "meldcode"  # Wet verplichte meldcode huiselijk geweld en kindermishandeling
    LEERPLICHT = "leerplicht"  # Leerplichtwet 1969


AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
"""Where a day of the law begins at midnight."""

EMERGENCY_LASTS: Final = timedelta(hours=72)
"""How long a release in an emergency may go on, from its recording: it ends by itself."""


class Right(StrEnum):
    """What somebody may ask about a child's data, or their own (AVG chapter III)."""

    ACCESS = "access"  # inzage, art. 15
    RECTIFICATION = "rectification"  # art. 16, passed on to who received it by art. 19
    ERASURE = "erasure"  # art. 17
    RESTRICTION = "restriction"  # art. 18
    PORTABILITY = "portability"  # art. 20


class Ruling(StrEnum):
    """What became of a request; extended says that it needs longer, and why, within a month (AVG art. 12(3))."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    EXTENDED = "extended"


class CustodyEvidence(StrEnum):
    """How the sender checked who holds gezag. A check that left none of these is no check."""

    REGISTER = "gezagsregister"
    COURT_ORDER = "court_order"
    DEED = "deed"  # birth certificate, notarial deed
    STATEMENT = "joint_statement"  # signed by every holder


class Collected(StrEnum):
    """Through which channel an answer came."""

    ONLINE = "online"
    PAPER = "paper"
    MEETING = "meeting"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One cell of the table of grounds: the entry that a section needs, and the law that says so."""

    ground: Ground
    source: str


CONSENT_SOURCE: Final = "AVG art. 6(1)(a); UAVG art. 5"
EXPLICIT_SOURCE: Final = "AVG art. 9(2)(a); UAVG art. 5, 22(2)(a)"
STATUS_REQUIREMENT: Final = Requirement(Ground.STATUTORY, "WEB art. 8.0.3; Stcrt. 2020, 36712")
"""What the five application statuses need that an MBO returns; everything else of FOLLOW_UP needs consent."""

_YES = Requirement(Ground.CONSENT, CONSENT_SOURCE)
_EXPLICIT = Requirement(Ground.EXPLICIT_CONSENT, EXPLICIT_SOURCE)
_VIEW = Requirement(Ground.VIEW, "WPO art. 42; WEC art. 43; AVG art. 16")


def _law(source: str) -> Requirement:
    return Requirement(Ground.STATUTORY, source)


CONSENT_ROW: Final[dict[Section, Requirement]] = {
    Section.OKR: _YES,
    Section.OPP: _YES,
    Section.LVS: _YES,
    Section.ATTENDANCE: _YES,
    Section.SUPPORT: _EXPLICIT,
    Section.REPORTS: _EXPLICIT,
    Section.VIEWS: _VIEW,
    Section.HANDOVER_NOTES: _YES,
}
"""Under TOESTEMMING on every route, and for FOLLOW_UP under both policies."""

_PO: dict[Section, Requirement] = CONSENT_ROW | {
    Section.OKR: _law("WPO art. 42; Besluit uitwisseling leer- en begeleidingsgegevens art. 3-5"),
    Section.LVS: _law("WPO art. 42; Besluit art. 4"),
    Section.ATTENDANCE: _law("WPO art. 42; Besluit art. 7 (the year before)"),
    Section.SUPPORT: _law("WPO art. 42; Besluit art. 6; UAVG art. 30 (health in relation to education)"),
}
_WEC: dict[Section, Requirement] = CONSENT_ROW | {
    Section.OKR: _law("WEC art. 43; Besluit art. 3-5"),
    Section.OPP: _law("WEC art. 43 (the latest OPP is part of the OKR)"),
    Section.LVS: _law("WEC art. 43; Besluit art. 4"),
    Section.ATTENDANCE: _law("WEC art. 43; Besluit art. 7 (the year before)"),
    Section.SUPPORT: _law("WEC art. 43; Besluit art. 6; UAVG art. 30 (health in relation to education)"),
}
_VO: dict[Section, Requirement] = CONSENT_ROW | {
    Section.OKR: _law("WVO 103b's successor; Besluit art. 4-5, of art. 3 only what enrolling needs"),
    Section.LVS: _law("WVO 103b's successor; Besluit art. 4"),
    Section.ATTENDANCE: _law("WVO 103b's successor; Besluit art. 7 (the year before)"),
    Section.SUPPORT: _law("WVO 103b's successor; Besluit art. 6; UAVG art. 30 (health in relation to education)"),
}

STATUTORY_ROWS: Final[dict[Route, dict[Section, Requirement]]] = {
    Route.POPO: _PO,
    Route.POVO: _PO,
    Route.SOVO: _WEC,
    Route.VSOVO: _WEC,
    Route.VSOMBO: _WEC,
    Route.VOVO: _VO,
    Route.VOMBO: _VO,
}
"""Under WETTELIJK, for PLACEMENT and SUPPORT. SBO is primary education and sends on the PO routes."""


def ground(policy: PolicyKind, route: Route, purpose: Purpose, section: Section) -> Requirement:
    """Say which entry a section needs under a board's policy. Total: every cell of the table is filled."""
    if policy is PolicyKind.TOESTEMMING or purpose is Purpose.FOLLOW_UP:
        return CONSENT_ROW[section]
    return STATUTORY_ROWS[route][section]


@dataclass(frozen=True, slots=True)
class Notice:
    """One version of a text shown to a family. A material change asks for new answers, an editorial one doesn't."""

    id: str
    version: int
    material: bool


NOTICES: Final = (
    Notice("consent", 1, material=True),
    Notice("consent", 2, material=False),  # names the child and the boards, and tells a parent when the pupil decides
    Notice("inzage", 1, material=True),
    Notice("inzage", 2, material=False),
    Notice("custody", 1, material=True),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a sending board has chosen, in the open, when it joined. `kind` has no default: nobody chooses by silence.

    `waiting_days` runs after inzage, in days of 24 hours. `consent_level` and `explicit_level` are the lowest levels
    at which an answer counts for CONSENT and for EXPLICIT_CONSENT. `notices` are the texts known when it is asked.
    """

    kind: PolicyKind
    waiting_days: int = 14
    consent_level: Level = Level.LOW
    explicit_level: Level = Level.SUBSTANTIAL
    notices: tuple[Notice, ...] = NOTICES

    def level(self, ground: Ground) -> Level:
        """Return the lowest authentication level at which an answer counts for this ground."""
        return self.explicit_level if ground is Ground.EXPLICIT_CONSENT else self.consent_level

    def is_current(self, notice_id: str, version: int) -> bool:
        """Tell whether an answer given on this text still counts: known, and not materially changed since."""
        versions = [n for n in self.notices if n.id == notice_id]
        return any(n.version == version for n in versions) and not any(
            n.material and n.version > version for n in versions
        )


_SCHOOL = re.compile(SCHOOL)
_BOARD = re.compile(BOARD)


def is_school(code: str) -> bool:
    """Tell whether a code names a school's location: BRIN and vestiging, six characters such as `99AB00`."""
    return _SCHOOL.fullmatch(code) is not None


def is_board(code: str) -> bool:
    """Tell whether a code has the form of a board's own code."""
    return _BOARD.fullmatch(code) is not None
