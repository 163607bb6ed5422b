"""What an erasure lists, read in one way by the service and by the verifier.

The terms of ERASE are `{"actors": [...], "erased": [...]}`: of the entries under `erased` subject and terms went, and
of those under `actors`, which are among them, who acted. Those of STAFF_ERASED are `{"erased": [...]}`: of these only
who acted. Indices rise.
"""

from dataclasses import dataclass
from typing import Any

from consent.entry import ERASE, SEES, STAFF_ERASED

ACTOR = SEES["actor"]
BODY = SEES["subject"] | SEES["terms"]

_LISTS = {ERASE: {"actors", "erased"}, STAFF_ERASED: {"erased"}}


@dataclass(frozen=True, slots=True)
class Listed:
    """The entries whose subject and terms an erasure lets go, and those of which it does who acted."""

    type: int
    bodies: frozenset[int]
    actors: frozenset[int]

    def goes(self, index: int) -> int:
        """Give the parts of an entry that went, as bits."""
        return BODY * (index in self.bodies) | ACTOR * (index in self.actors)


NOTHING = Listed(0, frozenset(), frozenset())


def read_listed(type_: int, terms: Any) -> Listed:
    """Read the terms of an erasure; raises ValueError, TypeError or KeyError for another form."""
    if set(terms) != _LISTS[type_]:
        raise ValueError("not the terms of an erasure")
    erased = _indices(terms["erased"])
    if type_ == STAFF_ERASED:
        return Listed(type_, frozenset(), erased)
    actors = _indices(terms["actors"])
    if not actors <= erased:
        raise ValueError("an actor goes whose entry stays")
    return Listed(type_, erased, actors)


def _indices(value: Any) -> frozenset[int]:
    if any(type(index) is not int for index in value):
        raise TypeError("not a list of indices")
    if value != sorted(set(value)):
        raise ValueError("not a list, or the indices don't rise")
    return frozenset(value)
