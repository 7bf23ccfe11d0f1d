"""Overwrites an array for ever, until it is killed: `overwriter.py PATH whole|inner|shift`.

Each write has a value of its own, one everywhere. `whole` writes one stored chunk after the other, `inner` one inner
chunk of 64 x 64 after the other, which makes the engine keep the rest of the shard. `shift` writes whole chunks with
some inner chunks left empty, others in each version, so that the inner chunks lie elsewhere in each.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

import zarrpipe

INNER = 64


def main() -> None:
    array = zarrpipe.open_array(sys.argv[1], mode="r+")
    side = {"whole": array.metadata.chunk_grid.chunk_shape[0], "inner": INNER, "shift": array.shape[0]}[sys.argv[2]]
    corners = list(itertools.product(range(0, array.shape[0], side), range(0, array.shape[1], side)))
    version = int(array[...].max())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for row, column in itertools.cycle(corners):
        version += 1
        values = np.full((side, min(side, array.shape[1])), version, dtype=array.dtype)
        if sys.argv[2] == "shift":
            values[: INNER * (version % 4)] = 0
        array[row : row + side, column : column + side] = values


main()
