"""For the tests of documents: every way to spoil one member, and where that is.

A mutation is a JSON pointer and the document with something else there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from zarrpipe.metadata.json import pointer

WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7.5, -0.0, 2**31, 2**63 - 1, 2**63, 2**200, -(2**63) - 1, 1e308),
    *("", "x", "NaN", "é\x00", "\ud800", "1", "C", "<i4", "float64"),
    *([], [[]], [0], [True], ["x"], [2**200], [1, -1], [0, 1, 2], [None], {}, {"x": 1}, {"name": "bytes"}, {"name": 3}),
)
"""What stands in place of a value; much of it is wrong wherever it stands."""


def places(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside a document, by its pointer."""
    yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, at + pointer(name))


def resolve(document: Any, at: str) -> Any:
    """What a pointer points to; KeyError, IndexError or ValueError where that is nothing."""
    for step in at.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def spoiled(document: Any, under: str) -> Iterator[tuple[str, str, Any]]:
    """Every mutation at `under` and inside: its name, its pointer, and the document."""
    for at, value in places(resolve(document, under), under):
        above, _, last = at.rpartition("/")
        for wrong in WRONG:
            if type(wrong) is type(value) and wrong == value:
                continue
            changed = copy.deepcopy(document)
            parent = resolve(changed, above)
            parent[int(last) if isinstance(parent, list) else last] = wrong
            yield f"{at} = {wrong!r}"[:120], at, changed
        changed = copy.deepcopy(document)
        parent = resolve(changed, above)
        del parent[int(last) if isinstance(parent, list) else last]
        yield f"{at} missing", at, changed
        if isinstance(value, dict):
            changed = copy.deepcopy(document)
            resolve(changed, at)["unknown"] = 1
            yield f"{at} unknown", at + "/unknown", changed


def points_near(document: Any, at: str, spoiled_at: str) -> bool:
    """Whether an error's pointer leads into the document, and to the spoiled place, above it or inside it."""
    above = at.rpartition("/")[0] if at else ""
    try:
        parent = resolve(document, above)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    steps, spoiled_steps = at.split("/"), spoiled_at.split("/")
    common = min(len(steps), len(spoiled_steps))
    return isinstance(parent, dict | list) and steps[:common] == spoiled_steps[:common]
