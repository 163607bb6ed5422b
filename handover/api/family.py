"""Routes of guardians and pupils: a token in the body, never in an address."""

from typing import Any

from handover import family, familylog, rights
from handover.api import familyforms, rightsforms, schemas
from handover.api.door import Blueprint, once, parts, public
from handover.question import question as ask

blueprint = Blueprint("family", __name__, url_prefix="/v1/family", description="Those who decide, with their token")


@blueprint.route("/question", methods=["POST"])
@public
@blueprint.arguments(schemas.Token)
@blueprint.response(200, familyforms.QuestionShown)
def question(body: dict[str, Any]) -> dict[str, Any]:
    """Show what is asked, who decides, and the visitor's own answers."""
    return ask(parts(), body["token"])


@blueprint.route("/answers", methods=["POST"])
@public
@blueprint.arguments(schemas.Answers)
@blueprint.response(200, familyforms.Said)
def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Say yes or no, per section."""
    return family.answer(parts(), once, body)


@blueprint.route("/withdrawal", methods=["POST"])
@public
@blueprint.arguments(schemas.Withdrawal)
@blueprint.response(200, familyforms.Said)
def withdraw(body: dict[str, Any]) -> dict[str, Any]:
    """Take consent back."""
    return family.withdraw(parts(), once, body)


@blueprint.route("/inzage", methods=["POST"])
@public
@blueprint.arguments(schemas.Inzage)
@blueprint.response(200, familyforms.Said)
def inzage(body: dict[str, Any]) -> dict[str, Any]:
    """Confirm having seen these versions of the file."""
    return family.inzage(parts(), once, body)


@blueprint.route("/view", methods=["POST"])
@public
@blueprint.arguments(schemas.ViewIn)
@blueprint.response(200, familyforms.Said)
def view(body: dict[str, Any]) -> dict[str, Any]:
    """Add one's own words."""
    return family.view(parts(), once, body)


@blueprint.route("/objection", methods=["POST"])
@public
@blueprint.arguments(schemas.Objection)
@blueprint.response(200, familyforms.Said)
def objection(body: dict[str, Any]) -> dict[str, Any]:
    """Object to sections that the law lets the school send."""
    return family.objection(parts(), once, body)


@blueprint.route("/log", methods=["POST"])
@public
@blueprint.arguments(rightsforms.LogPage)
@blueprint.response(200, familyforms.LogShown)
def log(body: dict[str, Any]) -> dict[str, Any]:
    """Show who had which section of the child's file, when, what for, and on which consent."""
    return familylog.show(parts(), body["token"], body.get("before"))


@blueprint.route("/rights", methods=["POST"])
@public
@blueprint.arguments(rightsforms.RightAsked)
@blueprint.response(200, familyforms.RightTaken)
def ask_right(body: dict[str, Any]) -> dict[str, Any]:
    """Ask for access, correction, erasure, restriction or a portable copy."""
    return rights.ask(parts(), once, body)


@blueprint.route("/requests", methods=["POST"])
@public
@blueprint.arguments(schemas.Token)
@blueprint.response(200, familyforms.RequestsMine)
def requests(body: dict[str, Any]) -> dict[str, Any]:
    """List one's own requests and objections, with what the school said."""
    return rights.mine(parts(), body["token"])
