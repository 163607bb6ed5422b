"""The client of a guardian or a pupil: says to the service what a page would say for them, with the token they got."""

from collections.abc import Iterator, Mapping

from crypto.encoding import JSON, Printable
from handover.answers import as_object, odd, said
from handover.client import PublicClient


class FamilyClient(PublicClient):
    """Talks to one service for somebody who holds a token. Use it as a context manager: it holds connections."""

    def __init__(self, origin: str, token: str) -> None:
        """Prepare a client; raises SettingsRefused for an origin that isn't https or this machine."""
        super().__init__(origin)
        self._token = token

    def question(self) -> dict[str, JSON]:
        """Get what is asked, with the text to read first."""
        asked = self._say("question")
        said(asked, "transfer")
        return asked

    def answer(self, notice: str, answers: Mapping[str, str]) -> dict[str, JSON]:
        """Say yes or no per section, having read the text with this hash."""
        return self._record("answers", notice=notice, answers=dict(answers))

    def withdraw(self, sections: list[str], *, destroy_now: bool) -> dict[str, JSON]:
        """Take consent back."""
        return self._record("withdrawal", sections=list(sections), destroy_now=destroy_now)

    def read(self, versions: Mapping[str, str], *, done: bool) -> dict[str, JSON]:
        """Say that these versions were seen, and perhaps that no more time is needed."""
        return self._record("inzage", versions=dict(versions), done=done)

    def view(self, text: str, *, travels: bool, done: bool) -> dict[str, JSON]:
        """Put one's own words beside the file; they go along only where that is said."""
        return self._record("view", text=text, travels=travels, done=done)

    def object_to(self, sections: list[str], reason: str) -> dict[str, JSON]:
        """Object to sections that the law lets the school send."""
        return self._record("objection", sections=list(sections), reason=reason)

    def log(self) -> Iterator[dict[str, JSON]]:
        """Get the log of the child's file, newest first, all pages."""
        page = self._say("log")
        while True:
            rows, following = page.get("rows"), page.get("next")
            if not isinstance(rows, list) or not isinstance(following, int | None):
                raise odd()
            yield from map(as_object, rows)
            if following is None:
                return
            page = self._say("log", before=following)

    def ask(self, right: str, sections: list[str], text: str | None) -> dict[str, JSON]:
        """Ask for a right under chapter III of the AVG."""
        said: dict[str, Printable] = {"right": right}
        if sections:
            said["sections"] = list(sections)
        if text is not None:
            said["text"] = text
        return self._say("rights", **said)

    def requests(self) -> list[dict[str, JSON]]:
        """List one's own requests and objections, with what the school said."""
        rows = self._say("requests").get("requests")
        if not isinstance(rows, list):
            raise odd()
        return [as_object(row) for row in rows]

    def _record(self, what: str, **said: Printable) -> dict[str, JSON]:
        """Say something that the ledger takes down; an answer that names no event may come from anybody."""
        answer = self._say(what, **said)
        if not isinstance(answer.get("events"), list):
            raise odd()
        return answer

    def _say(self, what: str, **said: Printable) -> dict[str, JSON]:
        return self._json("POST", f"/v1/family/{what}", {"token": self._token, **said})
