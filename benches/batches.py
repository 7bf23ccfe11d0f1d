"""Blocks of 16^3 written one by one, in a batch, and in a transaction of tensorstore, to an array that is there.

    python benches/batches.py [--rounds N]

It prints a table; the status is 1 if a result was wrong. 512 blocks cover the array of float32, 128^3, and 341 leave a
third of it as it is.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import zarrpipe

Block = tuple[slice, ...]
SIDE, BLOCK = 128, 16
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}
LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks of 64^3, zstd": {"chunks": (64,) * 3, "compressors": ZSTD},
    "shards of 64^3 of 16^3, zstd": {"chunks": (16,) * 3, "shards": (64,) * 3, "compressors": ZSTD},
}


def ways(folder: str) -> dict[str, Callable[[list[Block], Any], None]]:
    array = zarrpipe.open_array(folder)

    def one_by_one(blocks: list[Block], value: Any) -> None:
        for block in blocks:
            array[block] = value

    def in_a_batch(blocks: list[Block], value: Any) -> None:
        with array.batch():
            one_by_one(blocks, value)

    found = {"one by one": one_by_one, "batch": in_a_batch}
    try:
        import tensorstore
    except ImportError:
        return found
    context = {"file_io_sync": False}
    theirs = tensorstore.open({"driver": "zarr3", "kvstore": f"file://{folder}", "context": context}).result()

    def in_a_transaction(blocks: list[Block], value: Any) -> None:
        with tensorstore.Transaction() as transaction:
            joined = theirs.with_transaction(transaction)
            for block in blocks:
                joined[block].write(value).result()

    return {**found, "tensorstore's transaction": in_a_transaction}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    wrong = 0
    starts = itertools.product(range(0, SIDE, BLOCK), repeat=3)
    every = [tuple(slice(at, at + BLOCK) for at in start) for start in starts]
    sys.stdout.write("| layout | blocks | way | ms |\n| --- | ---: | --- | ---: |\n")
    for name, options in LAYOUTS.items():
        for blocks in (every, [block for number, block in enumerate(every) if number % 3]):
            with tempfile.TemporaryDirectory() as folder:
                array = zarrpipe.create_array(folder, shape=(SIDE,) * 3, dtype="float32", **options)
                array[...] = model = np.ones(array.shape, "float32")
                times: dict[str, list[float]] = {}
                for number in range(rounds + 1):
                    for way, write in ways(folder).items():
                        value = np.random.default_rng(number).integers(0, 100, (BLOCK,) * 3).astype("float32")
                        start = time.perf_counter()
                        write(blocks, value)
                        times.setdefault(way, []).append(time.perf_counter() - start)
                        for block in blocks:
                            model[block] = value
                        wrong += not np.array_equal(array[...], model)
            for way, taken in times.items():
                # The first round starts threads.
                sys.stdout.write(f"| {name} | {len(blocks)} | {way} | {statistics.median(taken[1:]) * 1000:.1f} |\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
