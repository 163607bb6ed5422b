"""The service as a WSGI application: parts, doors, and the few headers that every answer carries.

`gunicorn "handover.app:create_app()"` runs it. Nothing of the school's side is imported here: this process has no code
that could open a bundle.
"""

import time
from typing import Final

from flask import Flask, Response, g, request
from flask_smorest import Api

from handover import logs
from handover.api import (
    audit,
    emergency,
    errors,
    family,
    journal,
    proposals,
    pupils,
    rights,
    schemas,
    schools,
    season,
    transfers,
)
from handover.bundles import finish_shredding
from handover.freezing import missing
from handover.outbox import deliver
from handover.parts import Parts, assemble
from handover.release import settle
from handover.schools import check_keylog
from handover.settings import load

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
SIGNATURE: Final = {
    "type": "http",
    "scheme": "signature",
    "description": "RFC 9421, Ed25519, tag overdracht-v1: covers method, target-uri, overdracht-staff, and where there "
    "is a body content-digest and content-type, and on POST and PUT idempotency-key. Overdracht-Staff names a member "
    "of staff and a role.",
}
OPENAPI: Final = {
    "API_TITLE": "Overdracht",
    "API_VERSION": "1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/v1",
    "OPENAPI_JSON_PATH": "openapi.json",
    "API_SPEC_OPTIONS": {"components": {"securitySchemes": {"signature": SIGNATURE}}},
}


class ProblemApi(Api):
    """The API whose errors are RFC 9457 problems."""

    ERROR_SCHEMA = schemas.Problem

    def _register_responses(self) -> None:
        """Say in the document that every error is a problem; answers stay JSON."""
        self.DEFAULT_RESPONSE_CONTENT_TYPE: str = errors.MEDIA_TYPE
        super()._register_responses()
        del self.DEFAULT_RESPONSE_CONTENT_TYPE


def create_app(parts: Parts | None = None) -> Flask:
    """Make the application; without parts it reads its settings from the environment.

    Raises SettingsRefused or ConsentError where the configuration is unsafe or the journal older than it was.
    """
    logs.configure()
    app = Flask("handover", static_folder=None)
    app.url_map.merge_slashes = False  # a redirect's address would be built from the Host header
    app.config.update(OPENAPI, MAX_CONTENT_LENGTH=None, PROPAGATE_EXCEPTIONS=False, TRUSTED_HOSTS=None)
    app.extensions["handover"] = parts or assemble(load())
    made = ProblemApi(app)
    for door in (schools, journal, pupils, transfers, emergency, season, proposals, family, rights, audit):
        made.register_blueprint(door.blueprint)
    errors.register(app)
    app.before_request(_start)
    app.after_request(_finish)
    recover(app.extensions["handover"])
    return app


def recover(parts: Parts) -> None:
    """Check the key log, name boards of which entries are missing, and finish what an earlier process left open.

    That is shredding, releases of which nobody knows what became, and messages.
    """
    check_keylog(parts)
    missing(parts)
    finish_shredding(parts)
    settle(parts)
    deliver(parts)


def _start() -> None:
    g.started = time.monotonic()


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # The rule and not the path: what is in an address stays out of the log.
    who = {"school": g.caller.school} if "caller" in g else {}
    logs.log().info(
        "request",
        **who,
        method=request.method,
        route=str(request.url_rule) if request.url_rule else "none",
        status=response.status_code,
        milliseconds=round((time.monotonic() - g.started) * 1000),
    )
    return response
