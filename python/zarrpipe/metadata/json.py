"""Metadata documents as bytes: strict both ways.

Source: RFC 8259; Zarr v3 core specification, "Metadata".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from zarrpipe._types import JSON
from zarrpipe.errors import MetadataError, UnsupportedError

__all__ = ["MAX_DEPTH", "dumps", "in_document", "loads", "located", "pointer"]

MAX_DEPTH: Final = 128
"""Objects and arrays inside each other, at most."""


def pointer(name: object) -> str:
    """One step of a JSON pointer.

    Source: RFC 6901.
    """
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


@contextmanager
def located(at: str) -> Iterator[None]:
    """Put `at` before the place that errors from inside name."""
    try:
        yield
    except (MetadataError, UnsupportedError) as error:
        error.at = at + (error.at or "")
        raise


@contextmanager
def in_document(key: str | None) -> Iterator[None]:
    """Make errors from inside name the key of the document, unless they name one already."""
    try:
        yield
    except (MetadataError, UnsupportedError) as error:
        error.key = error.key or key
        raise


def loads(data: bytes | bytearray | memoryview, *, allow_nan: bool = False) -> dict[str, JSON]:
    """Return the one object that a document holds.

    Parameters
    ----------
    data : bytes-like
        UTF-8 text.
    allow_nan : bool
        Whether NaN and Infinity may stand where JSON has numbers, as writers of v2 attributes have always put them.

    Raises
    ------
    MetadataError
        It is not one JSON object; or it has NaN, Infinity, a number beyond the floats, a name twice in one object, or
        more than 128 levels, which readers differ about.
    """
    try:
        document = json.loads(
            bytes(data).decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=float if allow_nan else _refuse_constant,
            parse_float=_finite,
        )
    except MetadataError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise MetadataError(f"the document is not UTF-8 text: {error}") from None
    except ValueError as error:
        raise MetadataError(f"the document is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MetadataError(f"the document is not a JSON object but {_kind(document)}")
    _check_depth(document)
    return cast("dict[str, JSON]", document)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MetadataError(f"the name {twice!r} occurs twice in one object")
    return result


def _refuse_constant(word: str) -> Any:
    raise MetadataError(f"{word} is not JSON; as a fill value it is written as a string")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        # It would be read as infinity, and could not be written again.
        raise MetadataError(f"the number {text} is too large")
    return number


def _too_deep() -> MetadataError:
    return MetadataError(f"the document has more than {MAX_DEPTH} levels")


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            below += [child for child in children if isinstance(child, dict | list)]
        if not below:
            return
        level = below
    raise _too_deep()


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "an array")


def dumps(document: Mapping[str, JSON], *, allow_nan: bool = False) -> bytes:
    """Return a document as bytes: the same bytes for the same document.

    Parameters
    ----------
    document : mapping
        The document.
    allow_nan : bool
        Whether it may hold NaN and infinities: see `loads`.

    Raises
    ------
    MetadataError
        A value has no JSON form, such as a NaN or an object of a class of its own.
    """
    try:
        # ASCII: a lone surrogate, which JSON can escape, has no UTF-8 form.
        return json.dumps(document, indent=2, allow_nan=allow_nan, default=_plain).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise MetadataError(f"the document cannot be written as JSON: {error}") from error


def _plain(value: object) -> Any:
    """NumPy scalars as numbers, mappings as objects: attributes often hold them."""
    if isinstance(value, Mapping):
        return dict(value)
    item = getattr(value, "tolist", None)
    if item is not None:
        return item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
