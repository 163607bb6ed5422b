"""How an entry of a child's log reads to the family: one sentence in plain Dutch (B1) and one in English.

Every kind of entry is either in one of the tables or in `NOT_SHOWN`, with the reason. Staff are named by role and
school, never by pseudonym. `{who}` begins a sentence and is a member of staff, a school or the service.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from consent.events import Kind
from consent.reasons import Reason, allows
from consent.terms import AMSTERDAM, Ground, Purpose, Section
from handover.accesslog import Did
from handover.letters import to_the_pupil
from handover.notices import PURPOSES, SECTIONS, date_in_words
from handover.retention import Kept
from handover.roles import Role

_EN_TO_THE_PUPIL: Final = (
    ("your child's", "your"),
    ("your child has", "you have"),
    ("the child has", "you have"),
    ("your child", "you"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing in both languages."""

    nl: str
    en: str

    def filled(self, **words: "Said") -> "Said":
        """Fill the places in braces, each with the words of its language."""
        nl = self.nl.format(**{name: said.nl for name, said in words.items()})
        return Said(nl, self.en.format(**{name: said.en for name, said in words.items()}))

    def to_the_pupil(self) -> "Said":
        """Turn what is said to a parent into what is said to the child itself."""
        en = self.en
        for parents, own in _EN_TO_THE_PUPIL:
            en = en.replace(parents, own)
        return Said(to_the_pupil(self.nl), en)

    def __add__(self, other: "Said") -> "Said":
        return Said(f"{self.nl} {other.nl}", f"{self.en} {other.en}")


SERVICE: Final = Said("Overdracht", "Overdracht")
SOMEBODY: Final = Said("Een medewerker", "A member of staff")
ROLES: Final[dict[str, Said]] = {
    Role.PRINCIPAL: Said("De directeur", "The principal"),
    Role.INTERNAL_SUPERVISOR: Said("De intern begeleider", "The internal supervisor"),
    Role.CARE_COORDINATOR: Said("De zorgcoördinator", "The care coordinator"),
    Role.TEACHER: Said("Een leerkracht", "A teacher"),
    Role.MENTOR: Said("De mentor", "The mentor"),
    Role.COUNSELLOR: Said("De decaan", "The counsellor"),
    Role.INTAKE: Said("Een medewerker van de intake", "A member of the intake staff"),
    Role.TRANSITION_COACH: Said("De transitiecoach", "The transition coach"),
    Role.ADMINISTRATION: Said("De administratie", "The administration"),
    "dpo": Said("De toezichthouder op privacy (FG)", "The data protection officer"),
}
EN_SECTIONS: Final[dict[Section, str]] = {
    Section.OKR: "Educational report",
    Section.OPP: "Development plan",
    Section.LVS: "Tests and marks",
    Section.ATTENDANCE: "Attendance",
    Section.SUPPORT: "Care and support",
    Section.REPORTS: "Examinations and reports",
    Section.VIEWS: "Your own story",
    Section.HANDOVER_NOTES: "Talk between the schools",
}
EN_PURPOSES: Final[dict[Purpose, str]] = {
    Purpose.PLACEMENT: "to give your child a good place at the new school",
    Purpose.SUPPORT: "to help your child well at school",
    Purpose.FOLLOW_UP: "to let the old school know how things are going",
}

EN_MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)

RELEASED: Final = Said(
    "{who} heeft dit gekregen: {sections}. Dat was {purpose}.", "{who} received: {sections}. That was {purpose}."
)
REFUSED: Final = Said("{who} vroeg om: {sections}. Dat mocht niet.", "{who} asked for: {sections}. That was refused.")
GROUNDS: Final[dict[str, Said]] = {
    Ground.CONSENT: Said("Dit mocht met de toestemming van {day}.", "This was allowed by the consent of {day}."),
    Ground.EXPLICIT_CONSENT: Said(
        "Dit mocht met de aparte toestemming van {day}.", "This was allowed by the explicit consent of {day}."
    ),
    Ground.STATUTORY: Said("De school moet dit van de wet sturen.", "The law tells the school to send this."),
    Ground.EMERGENCY: Said(
        "Er was haast bij. Daarom mocht het zonder toestemming.",
        "It was urgent. Therefore it was allowed without consent.",
    ),
    Ground.VIEW: Said(
        "De schrijver wilde op {day} dat dit meeging.", "The writer wanted this to go along, as said on {day}."
    ),
}
BY_COURT: Final = Said(
    "Een rechter besliste daarbij in plaats van een ouder of voogd.",
    "A court decided there in the place of a parent or guardian.",
)
OUTCOMES: Final[dict[str, Said]] = {
    "aborted": Said(
        "Het sturen is afgebroken. Misschien is een deel toch aangekomen.",
        "The sending broke off. A part may have arrived all the same.",
    ),
    "unknown": Said("Wij weten niet zeker of het is aangekomen.", "We don't know for sure whether it arrived."),
    "under_way": Said("Het is onderweg.", "It is on its way."),
}
WITHHELD: Final[dict[str, Said]] = {
    "CANCELLED": Said("De overstap is gestopt.", "The transfer was cancelled."),
    "NO_BUNDLE": Said("Er is nog geen dossier klaargezet.", "No file had been sent yet."),
    "BUNDLE_EXPIRED": Said("Het dossier is te oud.", "The file is too old."),
    "KEY_ROTATED": Said(
        "De nieuwe school heeft een nieuw slot. De oude school moet het dossier opnieuw sturen.",
        "The new school has a new lock. The old school must send the file again.",
    ),
    "KEY_REVOKED": Said(
        "De sleutel van de oude school is ongeldig. Die school moet het dossier opnieuw sturen.",
        "The key of the old school isn't valid any more. That school must send the file again.",
    ),
    "FROZEN": Said(
        "Er was iets mis met het logboek. Toen ging er niets door.", "The log had a fault. Nothing went then."
    ),
    "SHREDDED": Said("Dit deel is al vernietigd.", "This part has been destroyed already."),
}
"""Why a request was refused, where it wasn't the consent rule that said no."""

EN_REASONS: Final[dict[Reason, str]] = {
    Reason.LEDGER_INTEGRITY: "Something in the register isn't right. We look into it. Until then we send nothing.",
    Reason.UNKNOWN_ENTRY_VERSION: "Our computer can't read an answer in the register yet. We mend this.",
    Reason.SUBJECT_ERASED: "The data were erased. There is nothing left to send.",
    Reason.EMPTY_REQUEST: "No part of the file was asked for.",
    Reason.CLOCK_SKEW: "A clock of our computers is wrong. We set it right.",
    Reason.CUSTODY_UNKNOWN: "The school must first find out who holds parental authority.",
    Reason.RESTRICTED: "The use of these data was frozen. It must first be clear whether they are right.",
    Reason.SUSPENDED: "Something went wrong with our computers. Therefore we ask for an answer again.",
    Reason.NOT_APPLIED: "The new school must first say that the child has applied there.",
    Reason.INZAGE_MISSING: "Everybody who may look along must first be able to read these parts.",
    Reason.INZAGE_OTHER_VERSION: "The file has changed. Everybody who may look along must be able to read it again.",
    Reason.WAITING: "The time to think it over still ran.",
    Reason.OBJECTION_OPEN: "Somebody objected. The school must decide on that first.",
    Reason.OBJECTION_UPHELD: "An objection was upheld. These parts don't go.",
    Reason.EXPLICIT_REQUIRED: "Data about health or care need a separate, clear consent.",
    Reason.PUPIL_OBJECTS: "The pupil doesn't want this. Only the pupil can change that.",
    Reason.GUARDIAN_OBJECTS: "A parent or guardian doesn't want this.",
    Reason.WITHDRAWN: "The consent was withdrawn. Who did so can say yes again later.",
    Reason.PUPIL_CONSENT_REQUIRED: "The pupil is 16 or older and decides. The pupil hadn't answered yet.",
    Reason.EXPIRED: "The consent had ended. The school can ask again.",
    Reason.NOT_YET_VALID: "The consent begins later.",
    Reason.SENDER_MISMATCH: "The consent is for another school that sends the file.",
    Reason.RECEIVER_MISMATCH: "The consent is for another school or another location.",
    Reason.PURPOSE_MISMATCH: "The consent was given for something else.",
    Reason.GUARDIAN_MISSING: "Not everybody who holds parental authority had said yes.",
    Reason.GRANTOR_NOT_GUARDIAN: "The answer came from somebody who doesn't decide on this.",
    Reason.SECTION_NOT_COVERED: "There is consent, but not for these parts.",
    Reason.AUTH_LEVEL: "This answer needs a safer way to sign in.",
    Reason.NOTICE_STALE: "The explanation has changed. Therefore we ask for a new answer.",
    Reason.NO_GRANT: "Nobody had given consent yet.",
}

NOT_PART: Final = Said("Dit hoort niet bij deze overstap.", "This isn't part of this transfer.")
"""Why a request was refused for what the transfer never asked."""

OTHERWISE: Final = Said("Het kon toen niet veilig.", "It couldn't be done safely then.")

TERM_OVER: Final = Said("De bewaartermijn is voorbij.", "It may be kept no longer.")
NEWER: Final = Said("Er is een nieuwe versie.", "There is a newer version.")
TAKEN_BACK: Final = Said("De toestemming is ingetrokken.", "The consent was withdrawn.")
WHY_DESTROYED: Final[dict[str, Said]] = {
    "withdrawn": TAKEN_BACK,
    "superseded": NEWER,
    "key rotated": Said("De nieuwe school heeft een nieuw slot.", "The new school has a new lock."),
    **{str(kept): TERM_OVER for kept in Kept},
    Kept.WITHDRAWN_SHARE: TAKEN_BACK,
    Kept.SUPERSEDED_BUNDLE: NEWER,
}

LINES: Final[dict[int, Said]] = {
    Did.PUPIL_REGISTERED: Said(
        "{who} heeft uw kind bij Overdracht ingeschreven.", "{who} registered your child with Overdracht."
    ),
    Did.TRANSFER_OPENED: Said(
        "{who} wil dit naar een andere school sturen: {sections}.", "{who} wants to send this elsewhere: {sections}."
    ),
    Did.TRANSFER_CANCELLED: Said(
        "{who} heeft de overstap gestopt. Er gaat niets meer naar de andere school.",
        "{who} cancelled the transfer. Nothing goes to the other school any more.",
    ),
    Did.UPLOADED: Said(
        "{who} heeft het dossier klaargezet. Het zit op slot: alleen de nieuwe school kan het openen.",
        "{who} sent the file. It is locked: only the new school can open it.",
    ),
    Did.SHRED_DONE: Said("Vernietigd: {sections}.", "Destroyed: {sections}."),
    Did.DESTROYED: Said(
        "{who} heeft gegevens vernietigd die niet meer nodig waren.",
        "{who} destroyed data that weren't needed any more.",
    ),
    Did.PAPER_RECORDED: Said(
        "{who} heeft een antwoord op papier ingevoerd. Het telt pas als een collega het heeft nagekeken.",
        "{who} entered an answer on paper. It counts only when a colleague has checked it.",
    ),
    Did.PAPER_CONFIRMED: Said(
        "{who} heeft een antwoord op papier nagekeken dat een collega had ingevoerd. Een nee telt nu.",
        "{who} checked an answer on paper that a colleague had entered. A no counts now.",
    ),
    Did.GROUP_SET: Said("{who} heeft de groep van uw kind ingevuld.", "{who} filled in your child's class."),
    Did.ADDRESS_CHANGED: Said(
        "{who} heeft een ander mailadres opgeschreven van iemand die meebeslist.",
        "{who} noted another mail address of somebody who decides.",
    ),
    Did.ACKNOWLEDGED: Said("{who} heeft gezegd dat het dossier er is.", "{who} said that the file has arrived."),
    Did.AUDIT_SEARCHED: Said(
        "{who} heeft in het logboek van uw kind gekeken. Het dossier zelf is daar niet te zien.",
        "{who} looked into your child's log. The file itself can't be seen there.",
    ),
    Did.PUPIL_FLAGGED: Said(
        "{who} heeft ingevuld of een ouder op deze school werkt.", "{who} noted whether a parent works at this school."
    ),
    Did.CORRECTION_PASSED_ON: Said(
        "Het dossier is verbeterd. De school die het al had, weet dat nu.",
        "The file was corrected. The school that had it already knows that now.",
    ),
    Kind.OBJECTION_DECIDED: Said("{who} heeft over een bezwaar beslist.", "{who} decided on an objection."),
    Kind.APPLIED: Said("{who} heeft gezegd dat uw kind is aangemeld.", "{who} said that your child has applied."),
    Kind.STATUTORY: Said(
        "{who} heeft gezegd dat dit van de wet mee moet: {sections}.",
        "{who} said that the law makes this go along: {sections}.",
    ),
    Kind.RESTRICT: Said("{who} heeft dit stilgezet: {sections}.", "{who} froze the use of: {sections}."),
    Kind.HOLD: Said(
        "{who} heeft gezegd dat de gegevens langer bewaard moeten worden, bijvoorbeeld door een klacht.",
        "{who} said that the data must be kept longer, for example because of a complaint.",
    ),
    Kind.CUSTODY: Said(
        "{who} heeft vastgelegd wie het gezag over uw kind heeft.", "{who} recorded who holds parental authority."
    ),
    Did.WORDS_SHOWN: Said(
        "{who} heeft gelezen wat u aan de school schreef.", "{who} read what you wrote to the school."
    ),
    Did.COURT_RECORDED: Said(
        "{who} en een collega hebben vastgelegd dat een rechter besliste. "
        "Dat was in plaats van een ouder of voogd. Het gaat om: {sections}.",
        "{who} and a colleague recorded that a court decided in the place of a parent or guardian. "
        "It is about: {sections}.",
    ),
    Kind.SUCCESSOR: Said(
        "{who} heeft vastgelegd dat de nieuwe school verdergaat onder een andere code. "
        "Wat eerder is gekozen, geldt nu voor die school.",
        "{who} recorded that the new school goes on under another code. "
        "What was chosen before now counts for that school.",
    ),
    Kind.EMERGENCY: Said(
        "Twee medewerkers hebben besloten dat dit met haast naar de andere school mag: {sections}.",
        "Two members of staff decided that this may go to the other school at once: {sections}.",
    ),
}
"""What is shown beside releases, by the type of the entry."""

LIFTED: Final[dict[int, Said]] = {
    Kind.RESTRICT: Said(
        "{who} en een collega hebben dit weer vrijgegeven: {sections}.",
        "{who} and a colleague freed the use of: {sections}.",
    ),
    Kind.EMERGENCY: Said(
        "{who} heeft gezegd dat er geen haast meer is. Dit mag niet meer mee: {sections}.",
        "{who} said that it is urgent no more. This may no longer go: {sections}.",
    ),
    Kind.HOLD: Said(
        "{who} en een collega hebben gezegd dat de gegevens niet langer bewaard hoeven te worden.",
        "{who} and a colleague said that the data needn't be kept longer any more.",
    ),
}
"""What is shown of an event that ends an earlier one."""

ELSE: Final = Said("{who} heeft iets met het dossier gedaan.", "{who} did something with the file.")
"""For a kind that has no line of its own: nothing that was done stays unseen for want of a sentence."""

TRIED: Final = Said(
    "{who} wilde iets met het dossier doen. Dat mocht niet.", "{who} wanted to do something. It was refused."
)

NOT_SHOWN: Final = frozenset(
    {
        # What one of the family said or looked at is that person's own.
        *(Kind.GRANT, Kind.REFUSE, Kind.WITHDRAW, Kind.INZAGE, Kind.VIEW, Kind.OBJECT, Kind.REQUEST),
        *(Kind.REQUEST_DECIDED, Did.INVITED, Did.QUESTION_SHOWN, Did.FAMILY_LOG_SHOWN, Did.REQUESTS_SHOWN),
        *(Did.REQUEST_ANSWERED, Did.REQUEST_REMINDED, Did.REMINDED),
        # Told with the entry that they belong to.
        *(Did.DELIVERED, Did.ABORTED, Did.UNKNOWN, Did.SHRED_INTENT),
        *(Did.EMERGENCY_PROPOSED, Did.EMERGENCY_CONFIRMED, Did.EMERGENCY_ENDED, Kind.COURT, Did.COURT_PROPOSED),
        *(Did.LIFTING_PROPOSED, Did.LIFTING_CONFIRMED, Did.ERASURE_PROPOSED, Did.ERASURE_CONFIRMED),
        Did.PROPOSAL_WITHDRAWN,
    }
)


def sections_said(sections: Iterable[str]) -> Said:
    """Name sections as a family knows them, in their order."""
    named = set(sections)
    known = [section for section in Section if section in named]
    return Said(", ".join(SECTIONS[one][0] for one in known), ", ".join(EN_SECTIONS[one] for one in known))


def purpose_said(purpose: str) -> Said:
    """Say what a file was sent for."""
    return Said(PURPOSES[Purpose(purpose)], EN_PURPOSES[Purpose(purpose)])


def day_said(moment: datetime) -> Said:
    """Write the day of a moment in Amsterdam: `3 maart 2027`, `3 March 2027`."""
    day = moment.astimezone(AMSTERDAM).date()
    return Said(date_in_words(moment + timedelta.resolution), f"{day.day} {EN_MONTHS[day.month - 1]} {day.year}")


def refusal_said(outcome: str | None) -> Said:
    """Say why a request was refused, in the words that the consent rule has for a family."""
    if outcome is not None and outcome in Reason.__members__:
        reason = Reason[outcome]
        return Said(allows(reason).family, EN_REASONS[reason])
    return WITHHELD.get(outcome or "", OTHERWISE)
