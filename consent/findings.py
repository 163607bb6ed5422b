"""What a verifier found wrong, in the order in which it was found, and no more of it than somebody can read."""

from dataclasses import dataclass, field

FINDINGS_MAX = 1_000
"""How many findings are kept; of further ones there is only the number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, at an entry where one can be named."""

    index: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.index is None else f"entry {self.index}: {self.what}"


@dataclass(slots=True)
class Findings:
    """Findings as they come."""

    kept: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, index: int | None, what: str) -> None:
        """Note that something is wrong."""
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(Finding(index, what))
        else:
            self.more += 1

    def all(self) -> tuple[Finding, ...]:
        """Give what was found; where it is too much, the last one says how many more there are."""
        told = (Finding(None, f"{self.more} more findings"),) if self.more else ()
        return (*self.kept, *told)
