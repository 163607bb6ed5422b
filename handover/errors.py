"""Every error of this floor, and how they relate.

HandoverError
├── SettingsRefused      the configuration is missing something or is unsafe; the process doesn't start
├── RequestRefused       a request that can't be carried out; carries an HTTP-like status and a constant code
│   └── NotTheirs        a school named a transfer or pupil that isn't there or isn't its own: an attempt
├── RegisterRefused      the key log in the database isn't what was signed (defined in `handover.register`)
└── DossierRefused       a file isn't a dossier; carries all problems at once (defined in `handover.dossier.problems`)

Messages say what is wrong and where. They never hold a name, a number of a pupil, a key or a token.
"""

from typing import Final

NOTHING: Final = "There is nothing here for you."


class HandoverError(Exception):
    """Root of what this floor raises on purpose."""


class SettingsRefused(HandoverError):
    """The configuration is incomplete or unsafe. `problems` lists every finding at once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class RequestRefused(HandoverError):
    """A request can't be carried out.

    `code` is a constant that a program can test, `status` the RFC 9110 status a door answers with, `detail` an English
    sentence for a person, `fields` what is wrong where (JSON pointer -> sentence).
    """

    def __init__(self, code: str, status: int, detail: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail
        self.fields = fields or {}


class NotTheirs(RequestRefused):
    """A school named what isn't there or isn't its own. The answer is that of `not_found`; the door writes it down."""

    def __init__(self) -> None:
        super().__init__("NOT_FOUND", 404, NOTHING)


def not_found() -> RequestRefused:
    """Give the one answer for what isn't there and for what isn't yours (bad case A8, G1)."""
    return RequestRefused("NOT_FOUND", 404, NOTHING)
