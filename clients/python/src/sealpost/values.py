"""Values of the interface from JSON, and back."""
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import ProtocolError
from .unknown import Unknown

T = TypeVar("T")
Decoder = Callable[[object], Any]

# Names of the fields whose constant says which variant of a union an object is.
TAGS = ("type", "state")


def decode(type_: type[T], value: object) -> T:
    """The value of a type, which may be a union. Fields that the type does not have are ignored."""
    return cast(T, decoder(cast(Hashable, type_))(value))


def encode(value: object) -> object:
    """A value as JSON has it. Fields that are None are absent."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: use datetime.now(UTC), for example")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Unknown):
        return value.raw
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {camel(name): encode(own) for name, own in fields.items() if own is not None}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def camel(name: str) -> str:
    """The name of a field on the wire."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


@cache
def decoder(type_: Hashable) -> Decoder:
    kind: Any = type_
    if kind is NoneType:
        # The result of a method that has none is an empty object.
        return lambda value: None
    if kind is datetime:
        return of_time
    if dataclasses.is_dataclass(kind):
        return of_dataclass(kind)
    match get_origin(kind):
        case origin if origin in (Union, UnionType):
            return of_union(get_args(kind))
        case origin if origin is tuple:
            return of_tuple(decoder(get_args(kind)[0]))
        case origin if origin is Literal:
            # Later versions may have further constants.
            return of_scalar(str)
        case _ if kind in (str, int, bool):
            return of_scalar(kind)
        case _:
            raise TypeError(f"no way to decode {kind}")


def of_scalar(type_: type) -> Decoder:
    def decode_scalar(value: object) -> object:
        if type(value) is not type_:
            raise ProtocolError(f"expected {type_.__name__}, got {shown(value)}")
        return value

    return decode_scalar


def of_time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(cast(str, value))
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"expected a time, got {shown(value)}") from error


def of_tuple(item: Decoder) -> Decoder:
    def decode_tuple(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise ProtocolError(f"expected a list, got {shown(value)}")
        return tuple(map(item, value))

    return decode_tuple


def of_dataclass(type_: Any) -> Decoder:
    hints = get_type_hints(type_)
    fields = [
        (field.name, camel(field.name), decoder(hints[field.name]), field.default)
        for field in dataclasses.fields(type_)
    ]

    def decode_dataclass(value: object) -> object:
        if not isinstance(value, dict):
            raise ProtocolError(f"expected {type_.__name__}, got {shown(value)}")
        found: dict[str, object] = {}
        for name, on_wire, decode_field, default in fields:
            if on_wire in value:
                found[name] = decode_field(value[on_wire])
            elif default is dataclasses.MISSING:
                raise ProtocolError(f"{type_.__name__} without {on_wire!r}")
        return type_(**found)

    return decode_dataclass


def of_union(members: tuple[Any, ...]) -> Decoder:
    """Tries the tag of an object first; what has none is the one member of its shape."""
    tagged: dict[str, Decoder] = {}
    objects: list[Decoder] = []
    others: list[Decoder] = []
    for member in members:
        if member in (Unknown, NoneType):
            continue
        one = decoder(member)
        if not dataclasses.is_dataclass(member):
            others.append(one)
        elif constant := tag(member):
            tagged[constant] = one
        else:
            objects.append(one)

    def decode_union(value: object) -> object:
        if value is None and NoneType in members:
            return None
        if isinstance(value, dict) and tagged:
            return variant(value)
        possible = objects if isinstance(value, dict) else others
        if len(possible) != 1:
            raise ProtocolError(f"expected one of {len(members)} types, got {shown(value)}")
        return possible[0](value)

    def variant(value: Mapping[str, object]) -> object:
        constants = (value.get(name) for name in TAGS)
        known = next((each for each in constants if isinstance(each, str) and each in tagged), None)
        return Unknown(value) if known is None else tagged[known](value)

    return decode_union


def tag(type_: Any) -> str | None:
    """The constant by which a variant is known."""
    defaults = {field.name: field.default for field in dataclasses.fields(type_)}
    return next((cast(str, defaults[name]) for name in TAGS if name in defaults), None)


def shown(value: object) -> str:
    """The beginning of a value, for an error."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
