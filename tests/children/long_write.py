"""Writes for much longer than anyone waits: `long_write.py PATH`. Says when it begins and when it is interrupted."""

from __future__ import annotations

import sys

import numpy as np

import zarrpipe


def main() -> None:
    array = zarrpipe.open_array(sys.argv[1], mode="r+")
    # Small differences of random numbers: no compressor is done with them soon. No item is the fill value, 0.
    block = np.random.default_rng(3).integers(1, 40, 2**24, dtype=np.uint8)
    values = np.empty(array.shape, dtype=np.uint8)
    for start in range(0, values.size, block.size):
        # Each block is another one, and the test can tell from its first item which.
        values[start : start + block.size] = block + np.uint8(start // block.size)
    print("writing", flush=True)
    try:
        array[...] = values
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return
    print("done", flush=True)


main()
