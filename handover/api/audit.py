"""Routes of a board's FG: each request is signed with the key that the board's identity stated."""

from typing import Any

from flask import Response

from handover import audit
from handover import patterns as patterns_of
from handover.api import schemas
from handover.api.door import Blueprint, examined, examiner, parts

blueprint = Blueprint("audit", __name__, url_prefix="/v1/audit", description="The access log, for a board's FG")


@blueprint.route("/search", methods=["POST"])
@examined
@blueprint.arguments(schemas.AuditSearch)
@blueprint.response(200)
def search(body: dict[str, Any]) -> dict[str, Any]:
    """Search the own board's side of the access log, newest first."""
    return audit.search(parts(), examiner(), body)


@blueprint.route("/patterns", methods=["POST"])
@examined
@blueprint.arguments(schemas.AuditPatterns)
@blueprint.response(200)
def patterns(body: dict[str, Any]) -> dict[str, Any]:
    """Look for what is worth a look between two days, each with the reason why."""
    return patterns_of.look(parts(), examiner(), body["since"], body["until"], body.get("names"))


@blueprint.route("/export", methods=["POST"])
@examined
@blueprint.arguments(schemas.AuditExport)
@blueprint.response(200, content_type="application/zstd")
def export(body: dict[str, Any]) -> Response:
    """Export the own board's side: as lines that anybody can verify offline, or as a table for a spreadsheet."""
    if body["form"] == "csv":
        return Response(audit.table(parts(), examiner()), content_type="text/csv; charset=utf-8")
    return Response(audit.export(parts(), examiner()), content_type="application/zstd")
