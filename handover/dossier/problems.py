"""What can be wrong with a dossier, said without repeating what it says about a child."""

from dataclasses import dataclass

from handover.errors import HandoverError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where.

    `place` is an XPath-like path with indexes in an OSO file, a dotted path in a JSON dossier; `line` counts from 1 and
    is absent in JSON. `text` is a sentence that never repeats a value from the file.
    """

    place: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.place} (line {self.line})" if self.line else self.place
        return f"{where}: {self.text}" if where else self.text


class DossierRefused(HandoverError):
    """A file isn't a dossier that can be used. `problems` tells all that was found, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
