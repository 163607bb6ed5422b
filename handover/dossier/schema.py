"""One description of every part: its dataclass. The marshmallow schemas and the OSO order are read from it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin, get_type_hints

from marshmallow import RAISE, Schema, ValidationError, post_dump, post_load, validate
from marshmallow import fields as forms

from crypto.encoding import b64, unb64
from crypto.errors import EncodingRefused
from handover.dossier.address import Land, Nationaliteit
from handover.dossier.kinds import Kind
from handover.dossier.lvs import CijferlijstGroep

_NAMES: Final = {
    "voorletters_1": "voorletters-1",
    "cijferlijst_typelijst": "cijferlijstTypelijst",
    "media_type": "type",
}
"""The names of the format that Python or its habits don't allow."""

CONTENT: Final = frozenset({Land, Nationaliteit})
"""Parts whose first field is the element's own text, and whose other fields are attributes."""

GROUPS: Final = frozenset({CijferlijstGroep})
"""Parts that repeat inside one element: a new one starts at each element of the name of the first field."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of a part: a text of some kind, a part of its own, or bytes (neither); `many` where it repeats."""

    field: str
    name: str
    part: type | None
    kind: Kind | None
    many: bool
    required: bool


@cache
def slots(part: type) -> tuple[Slot, ...]:
    """Read the fields of a part, in the order of the standard."""
    hints = get_type_hints(part, include_extras=True)
    return tuple(_slot(field.name, hints[field.name], field.default is MISSING) for field in fields(part))


def _slot(field: str, hint: Any, required: bool) -> Slot:
    many = get_origin(hint) is tuple
    if many or get_origin(hint) in (Union, UnionType):
        hint = get_args(hint)[0]
    name = _NAMES.get(field, field)
    kind = hint.__metadata__[0] if get_origin(hint) is Annotated else None
    return Slot(field, name, None if kind or hint is bytes else hint, kind, many, required)


class _PartSchema(Schema):
    """A part as JSON: unknown fields refused, what is absent left out."""

    class Meta:
        unknown = RAISE

    part: ClassVar[type]

    @post_load
    def make(self, data: Mapping[str, Any], **_: Any) -> Any:
        """Build the part."""
        return self.part(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})

    @post_dump
    def drop_absent(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Leave out what isn't there."""
        return {name: value for name, value in data.items() if value is not None and value != []}


@cache
def schema(part: type) -> Schema:
    """Make the marshmallow schema of a part."""
    members: dict[str, Any] = {slot.field: _form(slot) for slot in slots(part)}
    made: type[Schema] = type(f"{part.__name__}Schema", (_PartSchema,), members | {"part": part})
    return made()


def _form(slot: Slot) -> forms.Field[Any]:
    outer: dict[str, Any] = {"required": slot.required, "data_key": slot.name}
    inner = {} if slot.many else outer
    one = _one(slot, inner)
    return forms.List(one, validate=validate.Length(min=1, error="an empty list"), **outer) if slot.many else one


def _one(slot: Slot, options: dict[str, Any]) -> forms.Field[Any]:
    if slot.kind:
        return forms.Str(validate=_checked(slot.kind), **options)
    if slot.part:
        part = slot.part
        return forms.Nested(lambda: schema(part), **options)
    return _Bytes(**options)


class _Bytes(forms.Field[bytes]):
    """Bytes as base64url without padding."""

    def _serialize(self, value: bytes | None, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return b64(value or b"")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bytes:
        try:
            return unb64(value)
        except EncodingRefused:
            raise ValidationError("not base64url without padding") from None


def _checked(kind: Kind) -> Any:
    def check(text: str) -> None:
        fault = kind.check(text)
        if fault:
            raise ValidationError(fault)

    return check


def faults(messages: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Flatten marshmallow's messages to (place, text); a text never holds a value."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from faults(inner, place if name == "_schema" else (*place, name))
    else:
        for text in messages:
            yield place, text


def dotted(place: tuple[str | int, ...]) -> str:
    """Print a place in a JSON dossier: `sections.okr.verzorger[1].iban`, lists counted from 1.

    A name that no part could have isn't repeated: it may be anything.
    """
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += "." + (step if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", step) else "?")
    return text.removeprefix(".")
