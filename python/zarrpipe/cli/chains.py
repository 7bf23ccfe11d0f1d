"""Codec chains as a person types them: names, JSON, or a file of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["parse_chain"]

_ARRAY_TO_ARRAY = {"transpose"}
_ARRAY_TO_BYTES = {"bytes", "sharding_indexed", "vlen-utf8", "vlen-bytes", "zarrs.vlen_v2"}


def parse_chain(text: str, *, ndim: int, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    """Parse the value of `--codecs`.

    Parameters
    ----------
    text : str
        A JSON list as in `zarr.json`, `@FILE` with one in it, or names with commas between: `bytes,zstd`. Names stand
        for the codec's usual configuration, and `bytes` (or the data type's own) may be left out.
    ndim, dtype
        Of the array: `transpose` and `blosc` depend on them.

    Returns
    -------
    list of dict
        The chain as the specification writes it.

    Raises
    ------
    ValueError
        The text is neither.
    OSError
        The file cannot be read.
    """
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    text = text.strip()
    if text.startswith(("[", "{", '"')):
        return _from_json(text)
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"{text!r} is not a list of codec names")
    if not _ARRAY_TO_BYTES.intersection(names):
        first = next((i for i, name in enumerate(names) if name not in _ARRAY_TO_ARRAY), len(names))
        names.insert(first, {"T": "vlen-utf8", "O": "vlen-bytes"}.get(dtype.kind, "bytes"))
    return [_usual(name, ndim, dtype) for name in names]


def _from_json(text: str) -> list[dict[str, Any]]:
    try:
        chain = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"codecs are not valid JSON: {error}") from None
    chain = chain if isinstance(chain, list) else [chain]
    return [{"name": codec} if isinstance(codec, str) else codec for codec in chain]


def _usual(name: str, ndim: int, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return a codec with the configuration that most people mean by its name."""
    match name:
        case "bytes":
            configuration: dict[str, Any] = {"endian": "little"}
        case "transpose":
            configuration = {"order": list(reversed(range(ndim)))}
        case "gzip":
            configuration = {"level": 5}
        case "zstd":
            configuration = {"level": 0, "checksum": False}
        case "blosc":
            # Items of variable length are stored byte by byte.
            typesize = 1 if dtype.hasobject else dtype.itemsize
            shuffle = "bitshuffle" if typesize == 1 else "shuffle"
            configuration = {
                "cname": "zstd",
                "clevel": 5,
                "shuffle": shuffle,
                "typesize": typesize,
                "blocksize": 0,
            }
        case _:
            return {"name": name}
    return {"name": name, "configuration": configuration}
