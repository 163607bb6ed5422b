"""An FG's client: asks the service for the own board's access log, each request signed with the FG's own key."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, Final

from crypto.encoding import JSON, Printable
from crypto.keys import SignKey
from handover.answers import CHUNK, as_object, odd, read_json
from handover.client import PublicClient
from handover.signing import sign_request

FORMS: Final = {"jsonl": "application/zstd", "csv": "text/csv; charset=utf-8"}
"""In which forms the log is exported, and what the service calls them."""

REPORT_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of a breach report: it names every pupil who was touched."""

PATIENCE: Final = 600
"""Seconds until an answer begins. A year of a large board takes minutes to look through."""


class ExaminerClient(PublicClient):
    """Talks to one service for the FG of one board. Use it as a context manager: it holds connections."""

    def __init__(
        self, origin: str, key: SignKey, name: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Prepare a client; `name` is the board's own name for this FG. Raises SettingsRefused for a bad origin."""
        super().__init__(origin)
        self._http.timeout = PATIENCE
        self._key = key
        self._name = name
        self._clock = clock

    def search(self, asked: Mapping[str, Printable], most: int) -> Iterator[dict[str, JSON]]:
        """Give what is found, newest first, at most so many entries."""
        cursor: JSON = None
        while most > 0:
            place: dict[str, Printable] = {} if cursor is None else {"cursor": int(str(cursor))}
            page = self._json("POST", "/v1/audit/search", {**asked, **place, "limit": min(most, 100)})
            rows, following = page.get("entries"), page.get("next")
            stuck = following is not None and following == cursor
            if not isinstance(rows, list) or not isinstance(following, int | None) or stuck:
                raise odd()
            yield from map(as_object, rows)
            most -= len(rows)
            if following is None or not rows:
                return
            cursor = following

    def patterns(self, since: str, until: str, names: tuple[str, ...]) -> list[dict[str, JSON]]:
        """Ask for patterns worth a look between two days."""
        asked: dict[str, Printable] = {"since": since, "until": until}
        answer = self._json("POST", "/v1/audit/patterns", {**asked, "names": list(names)} if names else asked)
        found = answer.get("patterns")
        if not isinstance(found, list):
            raise odd()
        return [as_object(one) for one in found]

    def breach(self, since: datetime, until: datetime) -> dict[str, JSON]:
        """Ask for a report of what was touched between two moments."""
        asked: dict[str, Printable] = {"since": since.isoformat(), "until": until.isoformat()}
        content, headers = self._body(asked)
        with self._exchange("POST", "/v1/audit/breach", headers, content) as response:
            return read_json(response, REPORT_LIMIT)

    def export(self, form: str, out: BinaryIO, progress: Callable[[int], None]) -> int:
        """Write an export of the board's side into `out`; gives how many bytes it has."""
        content, headers = self._body({"form": form})
        done = 0
        with self._exchange("POST", "/v1/audit/export", headers, content) as response:
            if response.headers.get("Content-Type") != FORMS[form]:
                raise odd()
            for piece in response.iter_bytes(CHUNK):
                out.write(piece)
                done += len(piece)
                progress(done)
        return done

    def _prepared(self, method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return sign_request(
            method,
            url,
            {**headers, "Overdracht-Staff": f'"{self._name}";role=dpo'},
            kid=self._key.kid,
            sign=self._key.sign_bare,
            now=self._clock(),
            body="Content-Digest" in headers,
        )
