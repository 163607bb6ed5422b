"""Routes of what takes two: what waits for a second person, and that person's word."""

from typing import Any

from handover import confirming, proposals
from handover.api import proposalforms, schemas
from handover.api.door import Blueprint, caller, once, parts, signed
from handover.roles import Action

blueprint = Blueprint("proposals", __name__, url_prefix="/v1/proposals", description="What takes two of the staff")


@blueprint.route("", methods=["GET"])
@signed(Action.CONFIRM_PROPOSAL)
@blueprint.arguments(proposalforms.Proposals, location="query")
@blueprint.response(200, proposalforms.ProposalsShown)
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Show a page of what waits for a second person of the school, oldest first."""
    return proposals.listing(parts(), caller(), query.get("cursor"))


@blueprint.route("/<string(maxlength=64):proposal>/confirm", methods=["POST"])
@signed(Action.CONFIRM_PROPOSAL)
@blueprint.arguments(schemas.Empty)
@blueprint.response(200, proposalforms.Settled)
def confirm(_body: dict[str, Any], proposal: str) -> dict[str, Any]:
    """Confirm what a colleague proposed: it is done now. The answer is that of its matter."""
    return confirming.confirm(parts(), caller(), once(caller().school), proposal)


@blueprint.route("/<string(maxlength=64):proposal>/withdrawal", methods=["POST"])
@signed(Action.CONFIRM_PROPOSAL)
@blueprint.arguments(schemas.Empty)
@blueprint.response(200, proposalforms.Withdrawn)
def withdraw(_body: dict[str, Any], proposal: str) -> dict[str, Any]:
    """Take one's own proposal back."""
    return proposals.withdraw(parts(), caller(), once(caller().school), proposal)
