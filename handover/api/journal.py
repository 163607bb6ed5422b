"""Routes of the journal for those who watch it: proofs that it grew, and what witnesses said."""

from typing import Any

from handover import witnessing
from handover.api import answerforms, schemas
from handover.api.door import Blueprint, parts, public

blueprint = Blueprint("journal", __name__, url_prefix="/v1/journal", description="The journal, for those who watch it")


@blueprint.route("/consistency", methods=["GET"])
@public
@blueprint.arguments(schemas.Sizes, location="query")
@blueprint.response(200, answerforms.Consistency)
def consistency(query: dict[str, Any]) -> dict[str, Any]:
    """Prove that the journal of one size is how that of another began (RFC 6962, 2.1.2)."""
    return witnessing.consistency(parts(), query["old"], query["new"])


@blueprint.route("/witnessed", methods=["GET"])
@public
@blueprint.response(200, answerforms.WitnessesSeen)
def witnessed() -> dict[str, Any]:
    """List the witnesses with the size, time and note that each cosigned last."""
    return witnessing.listed(parts())


@blueprint.route("/witnessed", methods=["POST"])
@public
@blueprint.arguments(schemas.Witnessed)
@blueprint.response(200, answerforms.WitnessesSeen)
def witness(body: dict[str, Any]) -> dict[str, Any]:
    """Take a checkpoint of this journal that an enrolled witness has cosigned."""
    return witnessing.accept(parts(), body["note"].encode())
