"""Routes of a board's FG: each request is signed with the key that the board's identity stated."""

from typing import Any

from flask import Response

from consent.touched import Period
from handover import audit
from handover import patterns as patterns_of
from handover.api import auditforms
from handover.api.door import Blueprint, examined, examiner, parts

LINES = "application/zstd"
TABLE = "text/csv"
BYTES = {"type": "string", "format": "binary"}

blueprint = Blueprint("audit", __name__, url_prefix="/v1/audit", description="The access log, for a board's FG")


@blueprint.route("/search", methods=["POST"])
@examined
@blueprint.arguments(auditforms.AuditSearch)
@blueprint.response(200, auditforms.AuditFound)
def search(body: dict[str, Any]) -> dict[str, Any]:
    """Search the own board's side of the access log, newest first."""
    return audit.search(parts(), examiner(), body)


@blueprint.route("/patterns", methods=["POST"])
@examined
@blueprint.arguments(auditforms.AuditPatterns)
@blueprint.response(200, auditforms.PatternsFound)
def patterns(body: dict[str, Any]) -> dict[str, Any]:
    """Look for what is worth a look between two days, each with the reason why."""
    return patterns_of.look(parts(), examiner(), body["since"], body["until"], body.get("names"))


@blueprint.route("/breach", methods=["POST"])
@examined
@blueprint.arguments(auditforms.AuditBreach)
@blueprint.response(200, auditforms.BreachReport)
def breach(body: dict[str, Any]) -> dict[str, Any]:
    """Report whose files, which sections and schools of the own board were touched between two moments."""
    return audit.breach(parts(), examiner(), Period(body["since"], body["until"]))


@blueprint.route("/export", methods=["POST"])
@examined
@blueprint.arguments(auditforms.AuditExport)
@blueprint.response(200, BYTES, content_type=LINES)
@blueprint.doc(responses={200: {"content": {TABLE: {"schema": {"type": "string"}}}}})
def export(body: dict[str, Any]) -> Response:
    """Export the own board's side: as lines that anybody can verify offline, or as a table for a spreadsheet."""
    if body["form"] == "csv":
        return Response(audit.table(parts(), examiner()), content_type=f"{TABLE}; charset=utf-8")
    return Response(audit.export(parts(), examiner()), content_type=LINES)
