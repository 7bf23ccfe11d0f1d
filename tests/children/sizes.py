"""Opens arrays whose documents name sizes that nobody has: `sizes.py CODEC`. Prints what came of each as JSON.

Memory is bounded by what the process has already and 256 MiB: whoever allocates what a document says ends here.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
import every_codec
import zarrpipe
from zarrpipe.buffer import Buffer
from zarrpipe.errors import ZarrpipeError
from zarrpipe.stores import MemoryStore

SPARE = 2**28
# The shape of the array, that of its chunks; or the latter as a rectilinear grid has it.
SIZES: dict[str, tuple[list[int], Any]] = {
    "long array": ([2**62, 32], [12, 16]),
    "long chunk": ([2**62, 32], [2**40, 16]),
    "wide chunk": ([24, 2**62], [12, 2**61]),
    "large chunk": ([2**40, 2**40], [2**40, 2**40]),
    "largest chunk": ([2**63 - 1, 2**63 - 1], [2**63 - 1, 2**63 - 1]),
    "count": ([2**62, 32], [[[1, 2**62]], [[16, 2]]]),
    "count of large ones": ([2**62, 32], [[[2**40, 2**22]], [[16, 2]]]),
    "runs that are too long": ([2**62, 32], [[[2**40, 2**40]], [[16, 2]]]),
}


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def inner(codecs: Any, chunk_shape: list[int]) -> Any:
    """The codecs, with inner chunks as large as the chunk where there are any."""
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            codec["configuration"]["chunk_shape"] = chunk_shape
    return codecs


def attempt(store: Any, document: dict[str, Any]) -> str:
    store.set_sync("zarr.json", Buffer.from_bytes(json.dumps(document).encode()))
    try:
        array: Any = zarrpipe.open_array(store, mode="r")
        array[0, 0]
    except ZarrpipeError as error:
        return type(error).__name__
    return "items"


def main() -> None:
    dtype, codecs = every_codec.CODECS[sys.argv[1]]
    store: Any = MemoryStore()
    array: Any = zarrpipe.create_array(
        store, shape=every_codec.SHAPE, chunks=every_codec.CHUNK, dtype=dtype, codecs=codecs
    )
    array[...] = every_codec.values(dtype)
    array[...]
    good = json.loads(bytes(store.get_sync("zarr.json").as_numpy_array()))
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + SPARE, -1))
    found = {}
    for name, (shape, chunks) in SIZES.items():
        regular = not isinstance(chunks[0], list)
        kind: Any = {"chunk_shape": chunks} if regular else {"kind": "inline", "chunk_shapes": chunks}
        grid = {"name": "regular" if regular else "rectilinear", "configuration": kind}
        document = {**json.loads(json.dumps(good)), "shape": shape, "chunk_grid": grid}
        found[name] = attempt(store, document)
        if regular:
            found[f"{name} in one inner chunk"] = attempt(
                store, {**document, "codecs": inner(document["codecs"], chunks)}
            )
    found["good"] = attempt(store, good)
    json.dump(found, sys.stdout)


main()
