"""Routes of emergency releases, on the sender's side."""

from typing import Any

from handover import emergency
from handover.api import answerforms, schemas
from handover.api.door import Blueprint, caller, once, parts, signed
from handover.roles import Action

blueprint = Blueprint("emergency", __name__, url_prefix="/v1/transfers", description="Release in an emergency, by two")


@blueprint.route("/<string(maxlength=64):transfer>/emergency", methods=["POST"])
@signed(Action.RELEASE_IN_EMERGENCY)
@blueprint.arguments(schemas.Emergency)
@blueprint.response(201, answerforms.Proposed)
def propose(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Propose that sections may go before the family's answer (sender). Nothing goes until a colleague confirms."""
    return emergency.propose(parts(), caller(), once(caller().school), transfer, body)


@blueprint.route("/<string(maxlength=64):transfer>/emergency", methods=["GET"])
@signed(Action.RELEASE_IN_EMERGENCY)
@blueprint.response(200, answerforms.EmergenciesShown)
def show(transfer: str) -> dict[str, Any]:
    """Show what was confirmed, with the reasons (sender)."""
    return emergency.listing(parts(), caller(), transfer)


@blueprint.route("/<string(maxlength=64):transfer>/emergency/<string(maxlength=64):event>/end", methods=["POST"])
@signed(Action.RELEASE_IN_EMERGENCY)
@blueprint.arguments(schemas.Empty)
@blueprint.response(200, answerforms.EmergencyEnded)
def end(_body: dict[str, Any], transfer: str, event: str) -> dict[str, Any]:
    """End an emergency release before its time (either of the two, or the principal)."""
    return emergency.end(parts(), caller(), once(caller().school), transfer, event)
