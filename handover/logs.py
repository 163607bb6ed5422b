"""The operational log: JSON lines on standard error, for operators.

It isn't the access log that the law asks for (that is `accesslog`). Event names are constants, fields are identifiers
and counts from a closed list: a name, a mail address or a token has no field to travel in. JSON escapes line breaks
and control characters, so that a value can't pretend to be another line (bad case K7).
"""

import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

FIELDS: Final = frozenset(
    {
        "action",
        "bundle",
        "code",
        "count",
        "error",
        "event",
        "fields",
        "index",
        "kid",
        "level",
        "method",
        "milliseconds",
        "outcome",
        "problem",
        "route",
        "school",
        "size",
        "status",
        "timestamp",
        "transfer",
        "where",
    }
)
LONGEST: Final = 200


def _only_known(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    dropped = [name for name in event if name not in FIELDS]
    for name in dropped:
        del event[name]
    if dropped:
        event["fields"] = f"{len(dropped)} dropped"
    for name, value in event.items():
        event[name] = value if isinstance(value, int) else str(value)[:LONGEST]
    return event


def configure() -> None:
    """Set the log up once per process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_known,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def log() -> structlog.typing.FilteringBoundLogger:
    """Give the logger. `log().info("bundle_stored", transfer=..., size=...)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
