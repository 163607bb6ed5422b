"""Routes of the school that answers a family's requests."""

from typing import Any

from handover import restrictions, rulings
from handover.api import answerforms, familyforms, rightsforms
from handover.api.door import Blueprint, caller, once, parts, signed
from handover.roles import Action

blueprint = Blueprint("requests", __name__, url_prefix="/v1/requests", description="What families ask under the AVG")


@blueprint.route("", methods=["GET"])
@signed(Action.SEE_REQUESTS)
@blueprint.arguments(rightsforms.Requests, location="query")
@blueprint.response(200, familyforms.RequestsShown)
def list_requests(query: dict[str, Any]) -> dict[str, Any]:
    """Show a page of what waits for this school, and of the restrictions in force."""
    return rulings.listing(parts(), caller(), query.get("cursor"))


@blueprint.route("/<string(maxlength=64):event>/decision", methods=["POST"])
@signed(Action.DECIDE_REQUEST)
@blueprint.arguments(rightsforms.RequestRuling)
@blueprint.response(200, familyforms.RequestDecided)
def decide_request(body: dict[str, Any], event: str) -> dict[str, Any]:
    """Decide on a request for correction or erasure, or say that it needs longer; granting an erasure is proposed."""
    return rulings.decide(parts(), caller(), once(caller().school), event, body)


@blueprint.route("/<string(maxlength=64):event>/lifting", methods=["POST"])
@signed(Action.DECIDE_REQUEST)
@blueprint.arguments(rightsforms.Lifting)
@blueprint.response(201, answerforms.Proposed)
def lift_restriction(body: dict[str, Any], event: str) -> dict[str, Any]:
    """Propose that a restriction ends, with the reason; who asked for it is told, and a colleague confirms it."""
    return restrictions.propose_lifting(parts(), caller(), once(caller().school), event, body)
