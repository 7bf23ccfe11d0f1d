"""Copies an array of 512 MiB: `copy_memory.py FOLDER bytes|items`. Prints how much memory that took as JSON."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

import zarrpipe


def most_nbytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    # What is copied as it is takes as much as its items; what is encoded anew need not take it on the disk, too.
    compressors = None if kind == "bytes" else "auto"
    shape, chunks = (2**9, 2**20), (2**5, 2**20)
    source = zarrpipe.create_array(folder / "a", shape=shape, chunks=chunks, dtype="u1", compressors=compressors)
    for row in range(0, shape[0], chunks[0]):
        source[row : row + chunks[0]] = np.uint8(row // chunks[0] + 1)
    before = most_nbytes()
    with zarrpipe.config.set(io_nbytes=100_000_000):
        if kind == "bytes":
            zarrpipe.copy(folder / "a", folder / "b")
        else:
            zarrpipe.copy(folder / "a", folder / "b", chunks=(2**7, 2**16))
    grown = most_nbytes() - before
    copied = zarrpipe.open_array(folder / "b")
    equal = all(bool((copied[row] == row // chunks[0] + 1).all()) for row in range(0, shape[0], 11))
    print(json.dumps({"grown": grown, "nbytes": source.nbytes, "equal": equal}))


main()
