"""What tells a copy that was cut off, so that it can be gone on with.

While a copy is under way there is a key `.zarrpipe-copy.json` at its top, which says what is copied; an array that is
encoded anew has `.zarrpipe-copied.json`, which says how many of its regions are stored, from the first on. Both are
deleted when they are no longer needed. Nothing else is remembered: an array that has its document is complete, since
that is written last, and so is a chunk that is there with the size of what is copied, since stores replace values as a
whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from zarrpipe.jobs.planning import Plan
from zarrpipe.metadata import join_key
from zarrpipe.nodes import NodeAccess

__all__ = ["COPIED", "COPY", "fingerprint", "load_regions", "save_regions"]

COPY: Final = ".zarrpipe-copy.json"
"""The key below the top of a copy that is under way."""

COPIED: Final = ".zarrpipe-copied.json"
"""The key below an array whose regions are being copied."""


def fingerprint(plan: Plan, top: str) -> bytes:
    """Return what a copy's journal holds: the same for the same documents in the same places, and for no others."""
    digest = hashlib.sha256()
    start = len(join_key(top, ""))

    def put(*parts: bytes) -> None:
        for part in parts:
            digest.update(len(part).to_bytes(8, "little") + part)

    for array in plan.arrays:
        put(array.dest.path[start:].encode(), bytes([array.is_encoded]))
        put(repr(array.source.metadata).encode() if array.is_encoded else b"")
        _put_documents(put, array.documents)
    for group in plan.groups:
        put(group.path[start:].encode())
        _put_documents(put, group.documents)
    return json.dumps({"version": 1, "sha256": digest.hexdigest()}).encode()


def _put_documents(put: Any, documents: Mapping[str, bytes]) -> None:
    for name, data in documents.items():
        put(name.encode(), data)


async def load_regions(access: NodeAccess, path: str, unit_nbytes: int) -> int:
    """Return how many regions of an array are stored.

    Parameters
    ----------
    access : NodeAccess
        The copy's store.
    path : str
        The array's path.
    unit_nbytes : int
        How large regions are: they are counted anew where they were others.
    """
    data = await access.get(join_key(path, COPIED))
    if data is None:
        return 0
    try:
        found = json.loads(data)
        return int(found["regions"]) if found["region_nbytes"] == unit_nbytes else 0
    except (ValueError, KeyError, TypeError):
        return 0


async def save_regions(access: NodeAccess, path: str, regions: int, unit_nbytes: int) -> None:
    """Say how many regions of an array are stored."""
    data = json.dumps({"regions": regions, "region_nbytes": unit_nbytes}).encode()
    await access.set(join_key(path, COPIED), data)
