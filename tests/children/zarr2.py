"""What zarr-python 2 does, in an environment of its own: `write FOLDER` makes arrays, `read FOLDER` checks ours.

`write-consolidated` and `read-consolidated` do so by consolidated metadata, the latter printing what it found.

Beside each array lies what it holds, as a .npy file.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import zarr

SHAPE, CHUNKS = (11, 7), (4, 3)
DTYPES = ["|b1", "|i1", "<i2", ">i4", "|u1", ">u8", "<f4", ">f8", "<c8"]
COMPRESSORS = {
    "none": None,
    "default": "default",
    "zlib": numcodecs.Zlib(1),
    "gzip": numcodecs.GZip(1),
    "bz2": numcodecs.BZ2(1),
    "lzma": numcodecs.LZMA(),
    "lz4": numcodecs.LZ4(),
    "zstd": numcodecs.Zstd(1),
    "blosc": numcodecs.Blosc("zstd", 1, numcodecs.Blosc.BITSHUFFLE),
}
FILTERS = {
    "delta": ("<i4", [numcodecs.Delta("<i4")]),
    "quantize": ("<f8", [numcodecs.Quantize(2, "<f8")]),
    "fixedscaleoffset": ("<f8", [numcodecs.FixedScaleOffset(0, 2, "<f8", "|u1")]),
    "packbits": ("|b1", [numcodecs.PackBits()]),
    "shuffle": ("<i4", [numcodecs.Shuffle(4)]),
    "crc32": ("<i4", [numcodecs.CRC32()]),
    "two": ("<i4", [numcodecs.Delta("<i4"), numcodecs.Fletcher32()]),
}


def values_of(dtype: str) -> np.ndarray:
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) % (2 if dtype == "|b1" else 97)).astype(dtype)


def write(folder: Path) -> None:
    root = zarr.open_group(str(folder / "zarr"), mode="w")
    root.attrs["title"] = "by zarr-python 2"

    def add(name: str, dtype: str, **options: object) -> None:
        values = values_of(dtype)
        array = root.create_dataset(name, shape=SHAPE, chunks=CHUNKS, dtype=dtype, **options)
        array[...] = values
        array.attrs["name"] = name
        np.save(folder / f"{name.replace('/', '-')}.npy", array[...])

    for dtype in DTYPES:
        for order in "CF":
            add(f"{np.dtype(dtype).name}{order}", dtype, order=order)
    for name, compressor in COMPRESSORS.items():
        add(f"compressors/{name}", "<i4", compressor=compressor)
    for name, (dtype, filters) in FILTERS.items():
        add(f"filters/{name}", dtype, filters=filters)
    add("nested", "<i4", dimension_separator="/")
    add("nofill", "<i4", fill_value=None)
    add("nan", "<f8", fill_value=float("nan"))
    write_n5(folder)


def write_n5(folder: Path) -> None:
    root = zarr.group(store=zarr.N5Store(str(folder / "n5")), overwrite=True)
    root.attrs["title"] = "N5"
    compressors = {
        "raw": None,
        "gzip": numcodecs.GZip(2),
        "zlib": numcodecs.Zlib(2),
        "bzip2": numcodecs.BZ2(2),
        "xz": numcodecs.LZMA(preset=1),
        "blosc": numcodecs.Blosc("lz4", 3, 1),
        "zstd": numcodecs.Zstd(2),
    }
    for name, compressor in compressors.items():
        add_n5(folder, root, f"g/{name}", "<u2", compressor)
    for dtype in ("i1", "i2", "i4", "i8", "u1", "u4", "u8", "f4", "f8"):
        add_n5(folder, root, dtype, dtype, None)


def add_n5(folder: Path, root: zarr.Group, name: str, dtype: str, compressor: object) -> None:
    array = root.create_dataset(name, shape=SHAPE, chunks=CHUNKS, dtype=dtype, compressor=compressor)
    values = values_of(dtype)
    values[:4, :3] = 0  # a block that is not stored
    array[4:] = values[4:]
    array[:4, 3:] = values[:4, 3:]
    array.attrs["unit"] = "nm"
    np.save(folder / f"n5-{name.replace('/', '-')}.npy", values)


def read(folder: Path) -> None:
    root = zarr.open_group(str(folder / "zarr"), mode="r")
    count = 0
    for path in sorted(folder.glob("*.npy")):
        expected = np.load(path)
        array = root[path.stem.replace("-", "/")]
        actual = array[...]
        assert actual.shape == expected.shape, path.stem
        assert actual.astype(expected.dtype).tobytes() == expected.tobytes(), path.stem
        assert dict(array.attrs) == {"name": path.stem}, path.stem
        count += 1
    print(count)


def write_consolidated(folder: Path) -> None:
    root = zarr.open_group(str(folder / "zarr"), mode="w")
    root.create_dataset("a", shape=3, dtype="u1")
    root.create_dataset("b/c", data=np.arange(5))
    zarr.consolidate_metadata(root.store)


def read_consolidated(folder: Path) -> None:
    root = zarr.open_consolidated(str(folder / "zarr"))
    found = {}
    root.visititems(lambda name, node: found.update({name: node} if hasattr(node, "shape") else {}))
    print(json.dumps({name: [array[...].tolist(), dict(array.attrs)] for name, array in found.items()}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    commands = {
        "write": write,
        "read": read,
        "write-consolidated": write_consolidated,
        "read-consolidated": read_consolidated,
    }
    commands[sys.argv[1]](Path(sys.argv[2]))
