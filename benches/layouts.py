"""The measured arrays: their values, their five layouts on disk, and the boxes that are read and updated."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

DTYPE: Final = np.dtype("<u2")
FULL_SHAPE: Final = (512, 1024, 1024)
BOX: Final = 16
PLANE: Final = 100

_BYTES: Final = {"name": "bytes", "configuration": {"endian": "little"}}
_ZSTD: Final = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}
_CRC32C: Final = {"name": "crc32c"}

Box = tuple[slice, ...]


class Layout(NamedTuple):
    """How an array lies on disk."""

    description: str
    chunk_shape: tuple[int, int, int]
    codecs: list[dict[str, Any]]
    random_reads: int
    """How many reads of one box are a run: where each costs a whole chunk of 32 MiB, few are enough."""
    updates: int


def _sharded(inner: int) -> list[dict[str, Any]]:
    configuration = {
        "chunk_shape": [inner] * 3,
        "codecs": [_BYTES, _ZSTD],
        "index_codecs": [_BYTES, _CRC32C],
        "index_location": "end",
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


LAYOUTS: Final = {
    "raw": Layout("chunks of 256^3, not compressed", (256, 256, 256), [_BYTES], 100, 8),
    "zstd": Layout("chunks of 256^3, zstd", (256, 256, 256), [_BYTES, _ZSTD], 16, 4),
    "shard": Layout("shards of 256^3, inner chunks of 64^3, zstd", (256, 256, 256), _sharded(64), 200, 16),
    "small": Layout("chunks of 32^3, zstd", (32, 32, 32), [_BYTES, _ZSTD], 200, 32),
    "smallshard": Layout("shards of 256^3, inner chunks of 16^3, zstd", (256, 256, 256), _sharded(16), 200, 8),
}


def shape_of(mebibytes: int) -> tuple[int, int, int]:
    """Return the shape of an array of about this size: the full one with its longest axes halved, no axis below 256."""
    shape = list(FULL_SHAPE)
    while math.prod(shape) * DTYPE.itemsize > mebibytes * 2**20 and max(shape) > 256:
        # Of equals the first: long rows are what the full array has.
        axis = shape.index(max(shape))
        shape[axis] //= 2
    return shape[0], shape[1], shape[2]


def values(box: Box) -> npt.NDArray[np.uint16]:
    """Return what the array holds in a box: (g2 + g1*g1 // 32 + g0**3) mod 65536."""
    g0, g1, g2 = (np.arange(part.start, part.stop, dtype=np.int64) for part in box)
    # Each term is cut to 16 bits first, so that the sum wraps by itself and no 64-bit array of the box is made.
    face = (g2[None, :] + (g1 * g1 // 32)[:, None]).astype(np.uint16)
    result = np.empty((len(g0), len(g1), len(g2)), dtype=DTYPE)
    for plane, cube in zip(result, (g0**3).astype(np.uint16), strict=True):
        np.add(face, cube, out=plane)
    return result


def whole(shape: tuple[int, ...]) -> Box:
    """The box of all of an array."""
    return tuple(slice(0, length) for length in shape)


def chunk_boxes(shape: tuple[int, ...], edge: int = 256) -> Iterator[Box]:
    """Blocks of whole chunks and shards of every layout, which together are the array."""
    yield from (
        tuple(slice(at, min(at + edge, length)) for at, length in zip(origin, shape, strict=True))
        for origin in product(*(range(0, length, edge) for length in shape))
    )


def random_boxes(count: int, shape: tuple[int, ...], seed: int) -> list[Box]:
    """Boxes of 16^3 at any place, the same ones for every contender."""
    origins = np.random.default_rng(seed).integers(0, np.array(shape) - BOX + 1, size=(count, len(shape)))
    return [tuple(slice(at, at + BOX) for at in origin) for origin in origins.tolist()]


def first_block(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The block that updates stay inside of: no more need be copied than what is stored of it."""
    return tuple(min(256, length) for length in shape)


def write_document(path: Path, layout: Layout, shape: tuple[int, ...]) -> None:
    """Write the metadata of an array without chunks. All contenders begin with the same document."""
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": layout.chunk_shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": layout.codecs,
        "attributes": {},
    }
    path.mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(document))


def copy_first_block(source: Path, target: Path, layout: Layout, shape: tuple[int, ...]) -> None:
    """Copy what is stored of the first block, the other chunks being left out."""
    target.mkdir(parents=True)
    shutil.copy(source / "zarr.json", target)
    counts = [block // chunk for block, chunk in zip(first_block(shape), layout.chunk_shape, strict=True)]
    for coords in product(*map(range, counts)):
        key = Path("c", *map(str, coords))
        (target / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / key, target / key)


def stored_nbytes(path: Path) -> int:
    """How many bytes an array's files hold."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
