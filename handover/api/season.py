"""Routes of the season: who hasn't answered yet, and answers that staff take over from paper."""

from typing import Any

from handover import paper, season
from handover.api import answerforms, schemas
from handover.api.door import Blueprint, caller, once, parts, signed
from handover.roles import Action

blueprint = Blueprint("season", __name__, url_prefix="/v1", description="Who hasn't answered, and answers on paper")


@blueprint.route("/season", methods=["GET"])
@signed(Action.SEE_TRANSFERS)
@blueprint.arguments(schemas.Season, location="query")
@blueprint.response(200, answerforms.SeasonShown)
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Show a page of the school's transfers that wait for somebody's answer, by class."""
    return season.listing(parts(), caller(), query.get("group"), query.get("cursor"))


@blueprint.route("/transfers/<string(maxlength=64):transfer>/paper", methods=["GET"])
@signed(Action.RECORD_PAPER)
@blueprint.response(200, answerforms.PaperForm)
def form(transfer: str) -> dict[str, Any]:
    """Give the text to print for whoever answers on paper (sender)."""
    return paper.form(parts(), caller(), transfer)


@blueprint.route("/transfers/<string(maxlength=64):transfer>/paper", methods=["POST"])
@signed(Action.RECORD_PAPER)
@blueprint.arguments(schemas.Paper)
@blueprint.response(201, answerforms.Proposed)
def record(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Record somebody's answer from paper (sender). It counts when a colleague has confirmed it."""
    return paper.propose(parts(), caller(), once(caller().school), transfer, body)
