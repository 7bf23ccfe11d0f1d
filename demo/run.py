"""The demo: a real data set through several codec chains, checked bit for bit, measured, and looked at.

The data set is the Earth's land mask at about 1 km (21600 x 43200 booleans), which the package `global-land-mask`
carries as a .npz file. The package is not imported, because that would load the mask whole: its file is streamed.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarrpipe.cli.slabs import slices

import zarrpipe
from map_png import write_mask
from zarrpipe.cli.sources import MemberSource

OUT = Path("demo-out")
CHUNK, SHARD, INNER = (1800, 1800), (5400, 5400), (450, 450)
MEMORY_LIMIT_NBYTES = 2_500_000_000
READS = 3

BYTES: dict[str, Any] = {"name": "bytes"}
CRC32C: dict[str, Any] = {"name": "crc32c"}
ZSTD: dict[str, Any] = {"name": "zstd", "configuration": {"level": 1, "checksum": False}}
GZIP: dict[str, Any] = {"name": "gzip", "configuration": {"level": 5}}
TRANSPOSE: dict[str, Any] = {"name": "transpose", "configuration": {"order": [1, 0]}}
BLOSC: dict[str, Any] = {
    "name": "blosc",
    "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 1, "blocksize": 0},
}
SHARDING: dict[str, Any] = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": list(INNER),
        "codecs": [BYTES, ZSTD, CRC32C],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, CRC32C],
        "index_location": "end",
    },
}


@dataclass
class Chain:
    """One way to store the mask, and what was measured of it."""

    title: str
    name: str
    codecs: list[dict[str, Any]]
    chunks: tuple[int, int] = CHUNK
    write_s: float = 0.0
    read_s: float = 0.0
    nbytes_stored: int = 0

    @property
    def path(self) -> Path:
        return OUT / f"{self.name}.zarr"


CHAINS = [
    Chain("zstd", "zstd", [BYTES, ZSTD]),
    Chain("blosc (lz4, bitshuffle)", "blosc", [BYTES, BLOSC]),
    Chain("gzip", "gzip", [BYTES, GZIP]),
    Chain("shards of zstd + crc32c", "sharded", [SHARDING], SHARD),
    Chain("transpose + zstd", "transpose", [TRANSPOSE, BYTES, ZSTD]),
]


def main() -> int:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    path = find_data_set()
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, streamed into {len(CHAINS)} arrays", flush=True)
    import_mask(path)
    check_whole(path)
    check_regions()
    check_with_zarr_python()
    print_table()
    draw_map()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"Peak memory: {peak / 1e9:.2f} GB.")
    if peak > MEMORY_LIMIT_NBYTES:
        print(f"That is more than {MEMORY_LIMIT_NBYTES / 1e9} GB.", file=sys.stderr)
        return 1
    return 0


def find_data_set() -> Path:
    """Find the package's file by what its installer recorded."""
    for file in metadata.files("global-land-mask") or []:
        if file.suffix == ".npz":
            return Path(str(file.locate()))
    raise SystemExit("the package global-land-mask is installed without its data")


def import_mask(path: Path) -> None:
    """Stream the mask once, and write each slab through every chain."""
    with MemberSource(path, "mask") as source:
        arrays = [
            zarrpipe.create_array(c.path, shape=source.shape, dtype=source.dtype, chunks=c.chunks, codecs=c.codecs)
            for c in CHAINS
        ]
        for region, values in source.slabs(SHARD):
            for chain, array in zip(CHAINS, arrays, strict=True):
                began = time.perf_counter()
                array.write(slices(region), values)
                chain.write_s += time.perf_counter() - began
    for chain, array in zip(CHAINS, arrays, strict=True):
        chain.nbytes_stored = array.nbytes_stored()


def check_whole(path: Path) -> None:
    """Read each array whole (the median of some runs), and compare it with the source, streamed once more."""
    out: npt.NDArray[Any] | None = None
    for chain in CHAINS:
        array = zarrpipe.open_array(chain.path, mode="r")
        if out is None:
            out = np.empty(array.shape, array.dtype)
        seconds = []
        for _ in range(READS):
            out.view(np.uint8).fill(0xFF)
            began = time.perf_counter()
            array.read(..., out=out)
            seconds.append(time.perf_counter() - began)
        chain.read_s = statistics.median(seconds)
        with MemberSource(path, "mask") as source:
            for region, values in source.slabs(SHARD):
                demand_equal(out[slices(region)], values, f"{chain.title}: rows {region[0]}")
    print(f"Each array, read whole, has the source's {0 if out is None else out.nbytes} bytes.", flush=True)


def check_regions() -> None:
    """Read boxes at random, with steps, from each array, and compare the chains with each other."""
    rng = np.random.default_rng(0)
    arrays = [zarrpipe.open_array(chain.path, mode="r") for chain in CHAINS]
    count = 200
    for _ in range(count):
        selection = tuple(
            slice(start := int(rng.integers(n)), start + int(rng.integers(1, 1200)), int(rng.integers(1, 4)))
            for n in arrays[0].shape
        )
        expected = arrays[0][selection]
        for chain, array in zip(CHAINS[1:], arrays[1:], strict=True):
            demand_equal(array[selection], expected, f"{chain.title}: {selection}")
    print(f"{count} regions at random are the same in all of them.", flush=True)


def check_with_zarr_python() -> None:
    """Have zarr-python read what was written, and compare."""
    for chain in CHAINS:
        ours = zarrpipe.open_array(chain.path, mode="r")
        theirs = zarr.open_array(chain.path, mode="r")
        for start in range(0, ours.shape[0], SHARD[0]):
            band = slice(start, start + SHARD[0])
            demand_equal(np.asarray(theirs[band]), ours[band], f"{chain.title}: zarr-python, rows {band}")
    print(f"zarr-python {zarr.__version__} reads the same from each.", flush=True)


def demand_equal(found: npt.NDArray[Any], expected: npt.NDArray[Any], place: str) -> None:
    # Bytes, not truth values: any bit that differs counts.
    if found.shape != expected.shape or not np.array_equal(found.view(np.uint8), expected.view(np.uint8)):
        raise SystemExit(f"{place}: the values differ")


def print_table() -> None:
    nbytes = zarrpipe.open_array(CHAINS[0].path, mode="r").nbytes
    print("\n| chain | stored bytes | ratio | write MB/s | read MB/s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for c in CHAINS:
        speeds = f"{nbytes / c.write_s / 1e6:,.0f} | {nbytes / c.read_s / 1e6:,.0f}"
        print(f"| {c.title} | {c.nbytes_stored:,} | {nbytes / c.nbytes_stored:,.0f} | {speeds} |")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"\n{nbytes:,} bytes decoded; {machine}. Write: new files, once.")
    print(f"Read: whole, into an array that is there, from the page cache, the median of {READS}.\n")


def draw_map() -> None:
    """Read a region of one shard (Italy and the Balkans), and say how much of the shard that took."""
    array = zarrpipe.open_array(CHAINS[3].path, mode="r")
    # 120 rows a degree, from the north pole; 120 columns a degree, from the antimeridian.
    north, south, west, east = 45, 35, 7, 22
    rows, columns = ((90 - north) * 120, (90 - south) * 120), ((180 + west) * 120, (180 + east) * 120)
    coords = (rows[0] // SHARD[0], columns[0] // SHARD[1])
    inner = [range(a // n, -(-b // n)) for (a, b), n in zip((rows, columns), INNER, strict=True)]
    uncounted = nbytes_read()
    uncounted -= nbytes_read()  # what the counting itself reads, negative
    before = nbytes_read()
    mask = array[slice(*rows), slice(*columns)]
    fetched = nbytes_read() - before + uncounted
    shard = (CHAINS[3].path / "c" / str(coords[0]) / str(coords[1])).stat().st_size
    count, total = len(inner[0]) * len(inner[1]), SHARD[0] * SHARD[1] // (INNER[0] * INNER[1])
    write_mask(OUT / "map.png", ~mask)  # the data set is true where there is sea
    print(f"{OUT / 'map.png'}: Italy and the Balkans, {count} of the {total} inner chunks of shard {coords}.")
    print(f"{fetched:,} bytes were read, of the shard's {shard:,}.")


def nbytes_read() -> int:
    """Bytes that this process has read from files, as the kernel counts them."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise SystemExit("the kernel does not count what is read")


if __name__ == "__main__":
    sys.exit(main())
