"""Why the rule says no, in the order in which a reason is named, and what would allow it.

The order is the order of `Reason`. The texts tell sender, family and FG; a receiver is told nothing but that it isn't
authorised. They hold no personal data: names of sections and persons travel beside them.
"""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final


@unique
class Reason(Enum):
    """Why a question is refused. The value is its place in the order: the first that applies is named."""

    LEDGER_INTEGRITY = 0
    UNKNOWN_ENTRY_VERSION = 1
    SUBJECT_ERASED = 2
    EMPTY_REQUEST = 3
    CLOCK_SKEW = 4
    CUSTODY_UNKNOWN = 5
    RESTRICTED = 6
    SUSPENDED = 7
    NOT_APPLIED = 8
    INZAGE_MISSING = 9
    INZAGE_OTHER_VERSION = 10
    WAITING = 11
    OBJECTION_OPEN = 12
    OBJECTION_UPHELD = 13
    EXPLICIT_REQUIRED = 14
    PUPIL_OBJECTS = 15
    GUARDIAN_OBJECTS = 16
    WITHDRAWN = 17
    PUPIL_CONSENT_REQUIRED = 18
    EXPIRED = 19
    NOT_YET_VALID = 20
    SENDER_MISMATCH = 21
    RECEIVER_MISMATCH = 22
    PURPOSE_MISMATCH = 23
    GUARDIAN_MISSING = 24
    GRANTOR_NOT_GUARDIAN = 25
    SECTION_NOT_COVERED = 26
    AUTH_LEVEL = 27
    NOTICE_STALE = 28
    NO_GRANT = 29


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would allow a refused question: for the staff of the sending school, and for the family."""

    staff: str  # English
    family: str  # Dutch, language level B1


def allows(reason: Reason) -> Remedy:
    """Say what would turn this refusal into a yes."""
    return REMEDIES[reason]


REMEDIES: Final[dict[Reason, Remedy]] = {
    Reason.LEDGER_INTEGRITY: Remedy(
        "The ledger of this pupil is incomplete or was altered. The operator and the FG must find out what happened.",
        "Er klopt iets niet in het register. Wij zoeken dit uit. Tot die tijd sturen wij niets door.",
    ),
    Reason.UNKNOWN_ENTRY_VERSION: Remedy(
        "The ledger holds an entry of a newer version than this service understands. The operator must update it.",
        "Onze computer kan een antwoord in het register nog niet lezen. Wij lossen dit op.",
    ),
    Reason.SUBJECT_ERASED: Remedy(
        "The pupil's record was erased. Start a new transfer if the pupil is still at your school.",
        "De gegevens zijn gewist. Er is niets meer om door te sturen.",
    ),
    Reason.EMPTY_REQUEST: Remedy(
        "Name at least one section.",
        "Er is niet gevraagd om een onderdeel van het dossier.",
    ),
    Reason.CLOCK_SKEW: Remedy(
        "An entry carries a time that is still to come. The operator must set the clocks right.",
        "Een klok van onze computers staat verkeerd. Wij zetten de klok goed.",
    ),
    Reason.CUSTODY_UNKNOWN: Remedy(
        "Check who holds gezag, with evidence, and record it (`handover custody state`). A check holds for twelve "
        "months, and not beyond a loss of entries.",
        "De school moet eerst nagaan wie het gezag over het kind heeft.",
    ),
    Reason.RESTRICTED: Remedy(
        "The use of these sections is restricted (AVG art. 18). Settle the dispute and lift the restriction.",
        "Het gebruik van deze gegevens is stilgezet. Eerst moet duidelijk zijn of de gegevens kloppen.",
    ),
    Reason.SUSPENDED: Remedy(
        "Entries of the journal were lost. What was said before that is suspended: ask everybody again, confirm the "
        "aanmelding again, and show what must be shown again.",
        "Er is iets misgegaan met onze computers. Daarom vragen wij opnieuw om een antwoord.",
    ),
    Reason.NOT_APPLIED: Remedy(
        "The receiving school confirms the aanmelding first.",
        "De nieuwe school moet eerst laten weten dat het kind is aangemeld.",
    ),
    Reason.INZAGE_MISSING: Remedy(
        "Show these sections to every holder of gezag, and from 16 to the pupil, before they leave.",
        "Iedereen die mag meekijken, moet deze onderdelen eerst kunnen lezen.",
    ),
    Reason.INZAGE_OTHER_VERSION: Remedy(
        "The sections have changed since they were shown. Show the present version.",
        "Het dossier is veranderd. Iedereen die mag meekijken, moet de nieuwe versie kunnen lezen.",
    ),
    Reason.WAITING: Remedy(
        "The waiting time after inzage still runs. It ends early when everybody says to have seen enough.",
        "De bedenktijd loopt nog. Bent u klaar met lezen? Dan kunt u dat laten weten.",
    ),
    Reason.OBJECTION_OPEN: Remedy(
        "Decide on the objection, in writing.",
        "Er is bezwaar gemaakt. De school moet daar eerst een besluit over nemen.",
    ),
    Reason.OBJECTION_UPHELD: Remedy(
        "The objection was upheld: these sections may not be sent. Ask without them.",
        "Het bezwaar is terecht. Deze onderdelen gaan niet door.",
    ),
    Reason.EXPLICIT_REQUIRED: Remedy(
        "These sections tell of health or care. Ask for explicit consent; the ordinary yes doesn't cover them.",
        "Voor gegevens over gezondheid of zorg is een aparte, duidelijke toestemming nodig.",
    ),
    Reason.PUPIL_OBJECTS: Remedy(
        "The pupil said no. Only the pupil can change that.",
        "De leerling wil dit niet. Alleen de leerling kan dat veranderen.",
    ),
    Reason.GUARDIAN_OBJECTS: Remedy(
        "A holder of gezag said no. Only a newer yes of that person, or a court, changes that.",
        "Een ouder of voogd wil dit niet. Die kan later alsnog ja zeggen. Ook een rechter kan beslissen.",
    ),
    Reason.WITHDRAWN: Remedy(
        "The consent was withdrawn. Only a newer yes of the same person changes that.",
        "De toestemming is ingetrokken. Wie dat deed, kan later opnieuw ja zeggen.",
    ),
    Reason.PUPIL_CONSENT_REQUIRED: Remedy(
        "The pupil is 16 or older and decides. Ask the pupil.",
        "De leerling is 16 jaar of ouder en beslist zelf. De leerling moet nog antwoord geven.",
    ),
    Reason.EXPIRED: Remedy(
        "The consent has ended. Ask again.",
        "De toestemming is verlopen. De school kan opnieuw toestemming vragen.",
    ),
    Reason.NOT_YET_VALID: Remedy(
        "The consent begins later. Wait, or ask for an earlier begin.",
        "De toestemming gaat later in.",
    ),
    Reason.SENDER_MISMATCH: Remedy(
        "The consent names another sending school. Ask consent for this one.",
        "De toestemming geldt voor een andere school die het dossier stuurt.",
    ),
    Reason.RECEIVER_MISMATCH: Remedy(
        "The consent names another receiving location. Ask consent for this one, or record its successor.",
        "De toestemming geldt voor een andere school of een andere vestiging.",
    ),
    Reason.PURPOSE_MISMATCH: Remedy(
        "The consent was given for another purpose. Ask consent for this one.",
        "De toestemming is voor iets anders gegeven.",
    ),
    Reason.GUARDIAN_MISSING: Remedy(
        "Not every holder of gezag has said yes. Remind those who haven't answered for these sections.",
        "Nog niet iedereen met gezag heeft ja gezegd.",
    ),
    Reason.GRANTOR_NOT_GUARDIAN: Remedy(
        "The yes came from somebody who doesn't hold gezag. Ask those who do.",
        "Het antwoord kwam van iemand die hier niet over mag beslissen.",
    ),
    Reason.SECTION_NOT_COVERED: Remedy(
        "There is a yes, but not for these sections. Ask without them, or ask consent for them.",
        "Er is toestemming, maar niet voor deze onderdelen.",
    ),
    Reason.AUTH_LEVEL: Remedy(
        "The answer was given with too weak a sign-in for these sections. Ask for it again with a stronger one.",
        "Voor dit antwoord moet u veiliger inloggen, bijvoorbeeld met DigiD.",
    ),
    Reason.NOTICE_STALE: Remedy(
        "The text on which the answer was given has changed in substance. Ask again on the present text.",
        "De uitleg is veranderd. Daarom vragen wij opnieuw om een antwoord.",
    ),
    Reason.NO_GRANT: Remedy(
        "Nothing in the ledger authorises these sections. Ask those who decide.",
        "Er is nog geen toestemming gegeven.",
    ),
}
