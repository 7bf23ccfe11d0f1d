"""A PNG file of a mask, without an imaging library: two colours, one bit a pixel."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SEA, LAND = (0x1D, 0x3F, 0x6E), (0xD9, 0xC8, 0x9E)


def write_mask(path: Path, mask: npt.NDArray[Any]) -> None:
    """Write a two-dimensional mask, first row on top; land is where it is true."""
    height, width = mask.shape
    rows = np.packbits(mask.astype(bool), axis=1)
    # Each row begins with the number of its filter: 0, none.
    pixels = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0))
        _write_chunk(file, b"PLTE", bytes(SEA + LAND))
        _write_chunk(file, b"IDAT", zlib.compress(pixels, 9))
        _write_chunk(file, b"IEND", b"")


def _write_chunk(file: Any, kind: bytes, body: bytes) -> None:
    file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
