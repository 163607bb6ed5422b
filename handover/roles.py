"""Who may do what: one table.

A school names, in each signed request, a member of staff and that person's role, and answers for both. The table says
what a role may ask of the service. What isn't in it is refused (deny by default, bad case A9).
"""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Roles of staff, as `Overdracht-Staff` names them."""

    PRINCIPAL = "principal"  # directeur
    INTERNAL_SUPERVISOR = "internal_supervisor"  # ib'er
    CARE_COORDINATOR = "care_coordinator"  # zorgcoordinator
    TEACHER = "teacher"  # leerkracht
    MENTOR = "mentor"
    COUNSELLOR = "counsellor"  # decaan
    INTAKE = "intake"  # intake van het mbo
    TRANSITION_COACH = "transition_coach"
    ADMINISTRATION = "administration"


class Action(StrEnum):
    """What a school can ask of the service."""

    REGISTER_PUPIL = "register_pupil"
    SET_CUSTODY = "set_custody"
    OPEN_TRANSFER = "open_transfer"
    CANCEL_TRANSFER = "cancel_transfer"
    INVITE = "invite"
    INVOKE_LAW = "invoke_law"
    DECIDE_OBJECTION = "decide_objection"
    SEE_REQUESTS = "see_requests"
    DECIDE_REQUEST = "decide_request"
    UPLOAD_BUNDLE = "upload_bundle"
    SEE_TRANSFERS = "see_transfers"
    CONFIRM_APPLICATION = "confirm_application"
    ASK_RELEASE = "ask_release"
    ACKNOWLEDGE = "acknowledge"
    RELEASE_IN_EMERGENCY = "release_in_emergency"
    RECORD_PAPER = "record_paper"
    FLAG_PUPIL = "flag_pupil"
    HOLD_PUPIL = "hold_pupil"
    RECORD_COURT = "record_court"
    RECORD_SUCCESSOR = "record_successor"
    CONFIRM_PROPOSAL = "confirm_proposal"


_DESK = frozenset({Action.SEE_TRANSFERS, Action.CONFIRM_APPLICATION, Action.ACKNOWLEDGE})
_SENDING = frozenset(
    {
        Action.REGISTER_PUPIL,
        Action.SET_CUSTODY,
        Action.OPEN_TRANSFER,
        Action.CANCEL_TRANSFER,
        Action.INVITE,
        Action.UPLOAD_BUNDLE,
    }
)
_CARE = (
    _DESK
    | _SENDING
    | {
        Action.INVOKE_LAW,
        Action.ASK_RELEASE,
        Action.RELEASE_IN_EMERGENCY,
        Action.RECORD_PAPER,
        Action.CONFIRM_PROPOSAL,
        Action.SEE_REQUESTS,
    }
)

MAY: Final[dict[Role, frozenset[Action]]] = {
    Role.PRINCIPAL: frozenset(Action),
    Role.INTERNAL_SUPERVISOR: _CARE,
    Role.CARE_COORDINATOR: _CARE,
    Role.TEACHER: frozenset({Action.SEE_TRANSFERS}),
    Role.MENTOR: frozenset({Action.SEE_TRANSFERS, Action.ASK_RELEASE, Action.ACKNOWLEDGE}),
    Role.COUNSELLOR: frozenset({Action.SEE_TRANSFERS, Action.ASK_RELEASE, Action.ACKNOWLEDGE}),
    Role.INTAKE: _DESK | {Action.ASK_RELEASE},
    Role.TRANSITION_COACH: frozenset({Action.SEE_TRANSFERS, Action.ASK_RELEASE}),
    Role.ADMINISTRATION: _DESK | _SENDING,
}


def may(role: Role, action: Action) -> bool:
    """Tell whether the table lets this role ask this."""
    return action in MAY[role]
