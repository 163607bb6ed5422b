"""Routes of pupils and custody."""

from typing import Any

from handover import custody, holds, season, successions
from handover.api import answerforms, courtforms, proposalforms, schemas
from handover.api.door import Blueprint, caller, once, parts, signed
from handover.roles import Action

blueprint = Blueprint("pupils", __name__, url_prefix="/v1/pupils", description="A board's pupils and who decides")


@blueprint.route("", methods=["POST"])
@signed(Action.REGISTER_PUPIL)
@blueprint.arguments(schemas.NewPupil)
@blueprint.response(201, schemas.PupilOut)
def register(body: dict[str, Any]) -> dict[str, Any]:
    """Make a pupil's record, with who holds gezag and how that was checked."""
    return custody.register_pupil(parts(), caller(), once(caller().school), body)


@blueprint.route("/<string(maxlength=64):pupil>/custody", methods=["PUT"])
@signed(Action.SET_CUSTODY)
@blueprint.arguments(schemas.ChangedCustody)
@blueprint.response(200, schemas.PupilOut)
def change_custody(body: dict[str, Any], pupil: str) -> dict[str, Any]:
    """Record who holds gezag from now on."""
    return custody.change_custody(parts(), caller(), once(caller().school), pupil, body)


@blueprint.route("/<string(maxlength=64):pupil>/group", methods=["PUT"])
@signed(Action.REGISTER_PUPIL)
@blueprint.arguments(schemas.Group)
@blueprint.response(200, answerforms.PupilNoted)
def set_group(body: dict[str, Any], pupil: str) -> dict[str, Any]:
    """Note in which class a pupil is now."""
    return season.set_group(parts(), caller(), once(caller().school), pupil, body["group"])


@blueprint.route("/<string(maxlength=64):pupil>/flag", methods=["PUT"])
@signed(Action.FLAG_PUPIL)
@blueprint.arguments(schemas.Flag)
@blueprint.response(200, answerforms.PupilNoted)
def flag(body: dict[str, Any], pupil: str) -> dict[str, Any]:
    """Note that a parent of the pupil works at the school, so that the FG sees who asks for the file."""
    return season.flag(parts(), caller(), once(caller().school), pupil, colleague=body["colleague"])


@blueprint.route("/<string(maxlength=64):pupil>/holds", methods=["GET"])
@signed(Action.HOLD_PUPIL)
@blueprint.response(200, proposalforms.HoldsShown)
def list_holds(pupil: str) -> dict[str, Any]:
    """Show the holds of a pupil, lifted ones too."""
    return holds.listing(parts(), caller(), pupil)


@blueprint.route("/<string(maxlength=64):pupil>/holds", methods=["POST"])
@signed(Action.HOLD_PUPIL)
@blueprint.arguments(proposalforms.Hold)
@blueprint.response(201, answerforms.Held)
def hold(body: dict[str, Any], pupil: str) -> dict[str, Any]:
    """Hold everything of a pupil back from destruction, on a stated ground."""
    return holds.place(parts(), caller(), once(caller().school), pupil, body)


@blueprint.route("/<string(maxlength=64):pupil>/holds/<string(maxlength=64):event>/lifting", methods=["POST"])
@signed(Action.HOLD_PUPIL)
@blueprint.arguments(proposalforms.LiftedHold)
@blueprint.response(201, answerforms.Proposed)
def lift_hold(body: dict[str, Any], pupil: str, event: str) -> dict[str, Any]:
    """Propose that a hold is lifted; a colleague confirms it."""
    return holds.propose_lifting(parts(), caller(), once(caller().school), pupil, event, body)


@blueprint.route("/<string(maxlength=64):pupil>/successors", methods=["POST"])
@signed(Action.RECORD_SUCCESSOR)
@blueprint.arguments(courtforms.Succession)
@blueprint.response(201, courtforms.SuccessionOut)
def follow_on(body: dict[str, Any], pupil: str) -> dict[str, Any]:
    """Record under which code a receiver goes on, so that what the family said of it still counts."""
    return successions.follow_on(parts(), caller(), once(caller().school), pupil, body)
