"""Take parts out of a dossier by their places, and leave the rest so that it still fits together."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from handover.dossier.dossier import Dossier, from_json, to_json
from handover.dossier.elements import BY_PATH, HEAD, steps

Steps: TypeAlias = list[tuple[str, int]]

_GONE: Final = object()


def without(dossier: Dossier, places: Sequence[str]) -> Dossier:
    """Give the dossier without what stands at these places (XPath as `handover.dossier.elements.xpath` prints it).

    Documents and kept values below a place go with it; the numbers of what follows it close up.
    """
    gone = _Gone([found for place in places if (found := steps(place))])
    tree = to_json(replace(dossier, documents=(), kept=()))
    for target in gone.targets:
        _mark(tree, target)
    documents = [item for item in dossier.documents if not (item.under and gone.holds(item.under))]
    kept = [item for item in dossier.kept if not gone.holds(item.path)]
    return replace(
        from_json({"sections": {}} | _swept(tree)),
        documents=tuple(replace(item, under=item.under and gone.renumbered(item.under)) for item in documents),
        kept=tuple(replace(item, path=gone.renumbered(item.path)) for item in kept),
    )


class _Gone:
    """What is taken out, to be asked about many places: a file may hold very many."""

    def __init__(self, targets: Sequence[Steps]) -> None:
        self.targets = targets
        self._whole = {tuple(target) for target in targets}
        self._numbers: dict[tuple[tuple[tuple[str, int], ...], str], list[int]] = {}
        for target in self._whole:
            insort(self._numbers.setdefault((target[:-1], target[-1][0]), []), target[-1][1])

    def holds(self, place: str) -> bool:
        """Tell whether a place is one of those that are taken out, or below one."""
        found = tuple(steps(place) or ())
        return any(found[:length] in self._whole for length in range(1, len(found) + 1))

    def renumbered(self, place: str) -> str:
        """Lower each number of a place by how many siblings before it are gone."""
        old = tuple(steps(place) or ())
        before = [
            bisect_left(self._numbers.get((old[:depth], name), ()), number) for depth, (name, number) in enumerate(old)
        ]
        if not any(before):
            return place
        new = ((name, number, number - less) for (name, number), less in zip(old, before, strict=True))
        return "".join(f"/{name}[{lower}]" if number > 1 else f"/{name}" for name, number, lower in new)


def _mark(tree: dict[str, Any], target: Steps) -> None:
    """Mark the field that a place names, if a part has it."""
    for length in range(len(target), 1, -1):
        row = BY_PATH.get("/".join(name for name, _ in target[1:length]))
        if row and row.section:
            within = tree.get(HEAD, {}) if row.section == HEAD else tree["sections"].get(row.section, {})
            _mark_in(within, target[length - 1 :])
            return


def _mark_in(within: Any, target: Steps) -> None:
    for number, (name, count) in enumerate(target, 1):
        key: str | int = name
        if not isinstance(within, dict) or name not in within:
            return
        if isinstance(within[name], list):
            within, key = within[name], count - 1
            if count > len(within):
                return
        elif count != 1:
            return
        if number == len(target):
            within[key] = _GONE
        else:
            within = within[key]


def _swept(value: Any) -> Any:
    """Drop what is marked, and what is empty because of it."""
    if isinstance(value, dict):
        left: Any = {name: swept for name, each in value.items() if (swept := _swept(each)) is not _GONE}
    elif isinstance(value, list):
        left = [swept for each in value if (swept := _swept(each)) is not _GONE]
    else:
        return value
    return _GONE if value and not left else left
