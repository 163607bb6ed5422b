"""What an export lacks of each entry, until an erasure lets it go, and what an erasure should have taken."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from consent.entry import ERASE, GONE, PARTS, SEES, WHOLE
from consent.erased import Listed

CLEAR = WHOLE + 1
"""Beside the bits of the parts (`SEES`): that something stands in clear which the erasure of a pupil empties."""

_BY_PUPIL, _BY_STAFF = 0x10, 0x20  # an erasure of this type listed the entry
_LISTED = _BY_PUPIL | _BY_STAFF


@dataclass(slots=True)
class Erasures:
    """A byte for each entry of what it lacks, and one of what is there and by which erasures it was listed."""

    _lacks: bytearray = field(default_factory=bytearray)
    _there: bytearray = field(default_factory=bytearray)

    def entry(self, wanted: int, there: int) -> None:
        """Add the next entry: which parts have to be there, and what is (`CLEAR` among it)."""
        self._lacks.append(wanted & ~there)
        self._there.append(there)

    def erase(self, index: int, listed: Listed) -> list[tuple[int, str]]:
        """Let go what the erasure at `index` lists; gives what is wrong with it, or still there."""
        erased = sorted(listed.bodies | listed.actors)
        if erased and not 0 <= erased[0] <= erased[-1] < index:
            return [(index, "it erases what wasn't there yet")]
        clear, by = (CLEAR, _BY_PUPIL) if listed.type == ERASE else (0, _BY_STAFF)
        back = []
        for gone in erased:
            goes = listed.goes(gone)
            self._lacks[gone] &= ~goes
            if self._there[gone] & (goes | clear):
                back.append((gone, "it was erased, and is still there"))
            self._there[gone] |= by
        return back

    def lost(self) -> Iterator[tuple[int, str]]:
        """Give what is missing and no erasure lists."""
        for index, lacks in enumerate(self._lacks):
            if lacks:
                yield index, GONE.format(", ".join(part for part in PARTS if lacks & SEES[part]))

    def counts(self) -> tuple[int, int]:
        """Give how many entries were erased, and of how many more only who acted."""
        listed = [there & _LISTED for there in self._there]
        return sum(1 for by in listed if by & _BY_PUPIL), listed.count(_BY_STAFF)
