"""Routes of boards, schools and the public logs. What is sent here carries its own signatures."""

from typing import Any

from flask import Response

from consent.db import reading
from handover import dpos, schools
from handover.api import answerforms, schemas
from handover.api.door import Blueprint, parts, public
from handover.freezing import is_frozen

blueprint = Blueprint("schools", __name__, url_prefix="/v1", description="Boards, schools, keys and the public logs")
NOTE = "text/plain; charset=utf-8"
TEXT = {"type": "string"}


@blueprint.route("/boards", methods=["POST"])
@public
@blueprint.arguments(schemas.Certificate)
@blueprint.response(201, answerforms.BoardJoined)
def join(body: dict[str, Any]) -> dict[str, Any]:
    """Let a board join by the certificate of the register's root."""
    return schools.join(parts(), body["certificate"])


@blueprint.route("/boards/<string(maxlength=40):board>/policy", methods=["PUT"])
@public
@blueprint.arguments(schemas.PolicyStatement)
@blueprint.response(200, answerforms.PolicyChosen)
def choose_policy(body: dict[str, Any], board: str) -> dict[str, Any]:
    """Record a board's choice of policy, signed by its identity."""
    return schools.choose_policy(parts(), board, body["policy"], body["signature"])


@blueprint.route("/boards/<string(maxlength=40):board>/dpos", methods=["PUT"])
@public
@blueprint.arguments(schemas.DpoStatement)
@blueprint.response(200, answerforms.DpoStated)
def state_dpo(body: dict[str, Any], board: str) -> dict[str, Any]:
    """Record who is a board's FG, signed by its identity."""
    return dpos.state(parts(), board, body["dpo"], body["signature"])


@blueprint.route("/schools/<string(maxlength=6):school>/keys", methods=["POST"])
@public
@blueprint.arguments(schemas.Statements)
@blueprint.response(201, answerforms.KeysPublished)
def publish_keys(body: dict[str, Any], school: str) -> dict[str, Any]:
    """Publish a school's keys by statements of its board."""
    return schools.publish_keys(parts(), school, body["statements"])


@blueprint.route("/schools/<string(maxlength=6):school>", methods=["GET"])
@public
@blueprint.response(200, answerforms.PublicKeys)
def show_school(school: str) -> Response:
    """Give a school's current public keys with their statements."""
    return Response(schools.public_file(parts(), school), content_type="application/json")


@blueprint.route("/keylog", methods=["GET"])
@public
@blueprint.arguments(schemas.Start, location="query")
@blueprint.response(200, answerforms.KeyLogPage)
def keylog(query: dict[str, Any]) -> dict[str, Any]:
    """Give entries of the public key log, from an index on."""
    return schools.keylog_page(parts(), query["start"])


@blueprint.route("/keylog/checkpoint", methods=["GET"])
@public
@blueprint.response(200, TEXT, content_type="text/plain")
def keylog_checkpoint() -> Response:
    """Give the key log's newest signed checkpoint."""
    return Response(schools.keylog_checkpoint(parts()), content_type=NOTE)


@blueprint.route("/journal/checkpoint", methods=["GET"])
@public
@blueprint.response(200, TEXT, content_type="text/plain")
def journal_checkpoint() -> Response:
    """Give the journal's newest signed checkpoint."""
    with reading(parts().main) as session:
        return Response(parts().journal.checkpoint(session), content_type=NOTE)


@blueprint.route("/health", methods=["GET"])
@public
@blueprint.response(200, answerforms.Health)
def health() -> dict[str, str]:
    """Answer when the databases do and the journal stands; `frozen` says that nothing is released."""
    with reading(parts().main) as session:
        parts().journal.checkpoint(session)
    return {"status": "frozen" if is_frozen(parts()) else "ok"}
