"""Routes of transfers, for both sides."""

from typing import Any

from flask import Response, request

from consent.terms import Section
from handover import courts, invitations, objections, overview, release, transfers
from handover.api import answerforms, courtforms, schemas
from handover.api.door import Blueprint, caller, once, parts, signed, stream_body
from handover.bundles import LARGEST, upload
from handover.errors import RequestRefused
from handover.freezing import FROZEN
from handover.roles import Action

UPLOAD = "application/vnd.overdracht.upload"
RELEASE = "application/vnd.overdracht.release"
BYTES = {"type": "string", "format": "binary"}
NOT_AUTHORISED = "You aren't authorised for this section of this transfer now. Ask the sending school."

blueprint = Blueprint("transfers", __name__, url_prefix="/v1/transfers", description="Transfers, from both sides")


def _me() -> str:
    return caller().school


@blueprint.route("", methods=["POST"])
@signed(Action.OPEN_TRANSFER)
@blueprint.arguments(schemas.NewTransfer)
@blueprint.response(201, answerforms.TransferOpened)
def open_transfer(body: dict[str, Any]) -> dict[str, Any]:
    """Open a transfer of a pupil's file to one receiver, for one purpose."""
    return transfers.open_transfer(parts(), caller(), once(_me()), body)


@blueprint.route("", methods=["GET"])
@signed(Action.SEE_TRANSFERS)
@blueprint.arguments(schemas.Listing, location="query")
@blueprint.response(200, answerforms.TransfersShown)
def list_transfers(query: dict[str, Any]) -> dict[str, Any]:
    """Show a page of the school's transfers: as sender the work list, as receiver the inbox."""
    return overview.listing(parts(), caller(), query["side"], query.get("cursor"))


@blueprint.route("/<string(maxlength=64):transfer>", methods=["GET"])
@signed(Action.SEE_TRANSFERS)
@blueprint.response(200, answerforms.TransferShown)
def show_transfer(transfer: str) -> dict[str, Any]:
    """Show one transfer as the side that asks may see it."""
    return overview.one(parts(), caller(), transfer)


@blueprint.route("/<string(maxlength=64):transfer>/cancel", methods=["POST"])
@signed(Action.CANCEL_TRANSFER)
@blueprint.arguments(schemas.Empty)
@blueprint.response(200, answerforms.TransferState)
def cancel_transfer(_body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Cancel a transfer (sender)."""
    return transfers.cancel(parts(), caller(), once(_me()), transfer)


@blueprint.route("/<string(maxlength=64):transfer>/application", methods=["POST"])
@signed(Action.CONFIRM_APPLICATION)
@blueprint.arguments(schemas.Empty)
@blueprint.response(200, answerforms.TransferState)
def confirm_application(_body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Confirm that the family has applied at this school (receiver)."""
    return transfers.confirm_application(parts(), caller(), once(_me()), transfer)


@blueprint.route("/<string(maxlength=64):transfer>/statutory", methods=["POST"])
@signed(Action.INVOKE_LAW)
@blueprint.arguments(schemas.Sections)
@blueprint.response(200, answerforms.TransferState)
def invoke_law(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Invoke the law for sections of the statutory dataset (sender, policy wettelijk)."""
    return transfers.invoke_law(parts(), caller(), once(_me()), transfer, body["sections"])


@blueprint.route("/<string(maxlength=64):transfer>/invitations", methods=["POST"])
@signed(Action.INVITE)
@blueprint.arguments(schemas.Invited)
@blueprint.response(201, answerforms.InvitationOut)
def invite(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Invite somebody who decides (sender). The token goes through the outbox alone."""
    return invitations.invite(parts(), caller(), once(_me()), transfer, body["person"])


@blueprint.route("/<string(maxlength=64):transfer>/objections/<string(maxlength=64):event>/decision", methods=["POST"])
@signed(Action.DECIDE_OBJECTION)
@blueprint.arguments(schemas.ObjectionDecision)
@blueprint.response(200, answerforms.ObjectionDecided)
def decide_objection(body: dict[str, Any], transfer: str, event: str) -> dict[str, Any]:
    """Decide on an objection, with a reason (sender)."""
    return objections.decide(parts(), caller(), once(_me()), transfer, event, body)


@blueprint.route("/<string(maxlength=64):transfer>/bundles", methods=["POST"])
@signed(Action.UPLOAD_BUNDLE)
@blueprint.doc(requestBody={"required": True, "content": {UPLOAD: {"schema": BYTES}}})
@blueprint.response(201, answerforms.BundleTaken)
def upload_bundle(transfer: str) -> dict[str, Any]:
    """Take in a sealed bundle, or a later version of one (sender)."""
    if request.mimetype != UPLOAD:
        raise RequestRefused("UNSUPPORTED_MEDIA_TYPE", 415, f"Send {UPLOAD}.")
    return upload(parts(), caller(), once(_me()), transfer, lambda: stream_body(LARGEST))


@blueprint.route("/<string(maxlength=64):transfer>/release", methods=["POST"])
@signed(Action.ASK_RELEASE)
@blueprint.arguments(schemas.Sections)
@blueprint.response(200, BYTES, content_type=RELEASE)
def ask_release(body: dict[str, Any], transfer: str) -> Response:
    """Decide now whether these sections may leave, and send them if so (receiver). Each request is decided anew."""
    once(_me())  # signed, and never looked up: no answer with a share is ever kept
    asked = tuple(section for section in Section if section in body["sections"])
    found = release.release(parts(), caller(), transfer, asked)
    if isinstance(found, release.Withheld):
        if found.reason == FROZEN:
            raise RequestRefused(FROZEN, 503, "Nothing is released now. The operator has to look into it first.")
        raise RequestRefused("NOT_AUTHORISED", 403, NOT_AUTHORISED)
    return Response(release.hand_out(parts(), found), content_type=RELEASE)


@blueprint.route("/<string(maxlength=64):transfer>/acknowledgement", methods=["POST"])
@signed(Action.ACKNOWLEDGE)
@blueprint.arguments(schemas.Acknowledgement)
@blueprint.response(200, answerforms.TransferState)
def acknowledge(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Confirm receipt and say whether the pupil is placed (receiver)."""
    return transfers.acknowledge(parts(), caller(), once(_me()), transfer, body)


@blueprint.route("/<string(maxlength=64):transfer>/court", methods=["POST"])
@signed(Action.RECORD_COURT)
@blueprint.arguments(courtforms.Court)
@blueprint.response(201, answerforms.Proposed)
def propose_ruling(body: dict[str, Any], transfer: str) -> dict[str, Any]:
    """Propose to take down a court's ruling in the place of one holder's answers (sender). A colleague confirms it."""
    return courts.propose(parts(), caller(), once(_me()), transfer, body)
