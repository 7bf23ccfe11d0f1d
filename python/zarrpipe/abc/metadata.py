"""The base class of everything that has a JSON form, and the small parsers that codecs use.

The parsers have the names of `zarr.core.common`, so that a codec ports by changing its imports. They raise TypeError
for a wrong type and ValueError for a wrong value.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Literal, Self, TypedDict, TypeVar, cast

import numpy as np

from zarrpipe._types import JSON, BytesLike, ChunkCoords, MemoryOrder, NodeType, ShapeLike, ZarrFormat

__all__ = [
    "JSON",
    "BytesLike",
    "ChunkCoords",
    "MemoryOrder",
    "Metadata",
    "NamedConfig",
    "NodeType",
    "ShapeLike",
    "ZarrFormat",
    "ceildiv",
    "concurrent_map",
    "enum_names",
    "parse_bool",
    "parse_configuration",
    "parse_enum",
    "parse_fill_value",
    "parse_int",
    "parse_name",
    "parse_named_configuration",
    "parse_order",
    "parse_shapelike",
    "product",
]

E = TypeVar("E", bound=Enum)
V = TypeVar("V")


@dataclass(frozen=True)
class Metadata:
    """A frozen dataclass with a JSON form."""

    def to_dict(self) -> dict[str, JSON]:
        """Return the fields as a dictionary; metadata inside, alone or in sequences, becomes dictionaries too."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the object whose fields `data` holds."""
        return cls(**data)


def _to_json(value: Any) -> JSON:
    if isinstance(value, Metadata):
        return value.to_dict()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(item.to_dict() if isinstance(item, Metadata) else item for item in value)
    return cast(JSON, value)


class _Named(TypedDict):
    name: str


class NamedConfig(_Named, total=False):
    """An extension point in its object form: a name and, where it needs one, a configuration."""

    configuration: Mapping[str, Any]


def product(tup: tuple[int, ...]) -> int:
    """Return the product of the numbers: 1 for none."""
    return math.prod(tup)


def ceildiv(a: float, b: float) -> int:
    """Return `a / b`, rounded up."""
    return math.ceil(a / b) if a else 0


def enum_names(enum: type[E]) -> Iterator[str]:
    """Return the names of an enumeration's members, in order."""
    return (member.name for member in enum)


def parse_enum(data: object, cls: type[E]) -> E:
    """Return the member of `cls` that `data` is or names."""
    if isinstance(data, cls):
        return data
    if not isinstance(data, str):
        raise TypeError(f"expected a string, got {type(data).__name__}")
    if data not in cls.__members__:
        raise ValueError(f"expected one of {list(cls.__members__)}, got {data!r}")
    return cls(data)


def parse_name(data: JSON, expected: str | None = None) -> str:
    """Return `data`, which must be a string and, if given, the expected one."""
    if not isinstance(data, str):
        raise TypeError(f"expected a name, got {type(data).__name__}")
    if expected is not None and data != expected:
        raise ValueError(f"expected the name {expected!r}, got {data!r}")
    return data


def parse_configuration(data: JSON) -> JSON:
    """Return `data`, which must be a JSON object."""
    if not isinstance(data, dict):
        raise TypeError(f"expected a configuration object, got {type(data).__name__}")
    return data


def parse_named_configuration(
    data: JSON | NamedConfig, expected_name: str | None = None, *, require_configuration: bool = True
) -> tuple[str, Any]:
    """Return the name and the configuration of an extension object; the short-hand, a string, has no configuration.

    Examples
    --------
    >>> parse_named_configuration({"name": "gzip", "configuration": {"level": 5}})
    ('gzip', {'level': 5})
    """
    if isinstance(data, str):
        data = {"name": data}
    if not isinstance(data, Mapping):
        raise TypeError(f"expected an object with a name, got {type(data).__name__}")
    if "name" not in data:
        raise ValueError(f"expected an object with a name, got {data!r}")
    name = parse_name(data["name"], expected_name)
    if "configuration" in data:
        return name, parse_configuration(data["configuration"])
    if require_configuration:
        raise ValueError(f"{name!r} needs a configuration")
    return name, None


def parse_shapelike(data: ShapeLike) -> tuple[int, ...]:
    """Return a shape from a number or from numbers, none of them negative."""
    lengths = (data,) if isinstance(data, int | np.integer) else data
    try:
        shape = tuple(lengths)
    except TypeError as error:
        raise TypeError(f"expected an integer or integers as a shape, got {data!r}") from error
    for length in shape:
        if not isinstance(length, int | np.integer):
            raise TypeError(f"expected integers as a shape, got {data!r}")
        if length < 0:
            raise ValueError(f"expected no negative number in a shape, got {data!r}")
    return tuple(int(length) for length in shape)


def parse_fill_value(data: Any) -> Any:
    """Return `data` itself: what a fill value may be is for the data type to say."""
    return data


def parse_order(data: Any) -> Literal["C", "F"]:
    """Return `data`, which must be "C" or "F"."""
    if data == "C":
        return "C"
    if data == "F":
        return "F"
    raise ValueError(f'expected the order "C" or "F", got {data!r}')


def parse_bool(data: Any) -> bool:
    """Return `data`, which must be a bool."""
    if not isinstance(data, bool | np.bool_):
        raise TypeError(f"expected a bool, got {data!r}")
    return bool(data)


def parse_int(data: Any) -> int:
    """Return `data`, which must be an integer and no bool."""
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    raise ValueError(f"expected an integer, got {data!r}")


async def concurrent_map(
    items: Iterable[tuple[Any, ...]], func: Callable[..., Awaitable[V]], limit: int | None = None
) -> list[V]:
    """`func(*item)` for each item, at most `limit` at a time.

    Parameters
    ----------
    items : iterable of tuple
        The arguments of each call.
    func : callable
        An async function.
    limit : int, optional
        How many calls may be under way at once; None for all.

    Returns
    -------
    list
        The results in the order of `items`.

    Raises
    ------
    Exception
        The first exception that a call raises; the calls still under way are cancelled, and no new one is begun.
    """
    calls = list(items)
    results: dict[int, V] = {}
    pending = iter(enumerate(calls))

    async def work() -> None:
        # All workers draw from one iterator, so a slow call holds up no others.
        for index, item in pending:
            results[index] = await func(*item)

    workers = len(calls) if limit is None else min(max(limit, 1), len(calls))
    if workers == 1:
        await work()
    else:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            # The caller catches what the codec or store raised, not a group of it.
            raise errors.exceptions[0] from None
    return [results[index] for index in range(len(calls))]
