"""How arrays and groups show themselves: facts as aligned lines, and trees.

Nothing here reads a store: who has the facts passes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ArrayInfo", "GroupInfo", "Tree", "format_nbytes"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_nbytes(nbytes: int) -> str:
    """Return a number of bytes for people to read.

    Examples
    --------
    >>> format_nbytes(1000), format_nbytes(3 * 2**20)
    ('1000 B', '3.0 MiB')
    """
    value, unit = float(nbytes), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{nbytes} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _bytes_line(nbytes: int) -> str:
    return f"{nbytes} ({format_nbytes(nbytes)})" if nbytes >= 1024 else str(nbytes)


def _lines(facts: Iterable[tuple[str, object]]) -> str:
    """One fact a line, their values below each other; None is left out."""
    known = [(name, str(value)) for name, value in facts if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name:<{width}} : {value}" for name, value in known)


@dataclass(frozen=True, kw_only=True)
class ArrayInfo:
    """What an array is; with what it takes in its store, where that was asked for.

    Parameters
    ----------
    zarr_format : int or str
        The format of the document.
    data_type : str
        The name in the document.
    shape, chunk_shape : tuple of int
        The array's shape, and that of a chunk (of an inner chunk where there are shards); a word where they have
        several shapes.
    shard_shape : tuple of int, optional
        The shape of a shard, or a word.
    fill_value : object
        What items that were never written read as.
    order : str
        The memory layout of arrays read.
    read_only : bool
        Whether writes are refused.
    store_type : str
        The class of the store.
    codecs : tuple of str
        The chain, in the order of encoding.
    count_bytes : int
        The array's size in memory.
    count_bytes_stored : int, optional
        What is stored under the array's path.
    count_chunks_initialized, count_chunks : int, optional
        Objects (shards, or chunks where there are none) that are stored, and that there can be.
    """

    zarr_format: int | str
    data_type: str
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...] | str
    shard_shape: tuple[int, ...] | str | None = None
    fill_value: object
    order: str
    read_only: bool
    store_type: str
    codecs: tuple[str, ...]
    count_bytes: int
    count_bytes_stored: int | None = None
    count_chunks_initialized: int | None = None
    count_chunks: int | None = None

    @property
    def storage_ratio(self) -> float | None:
        """Bytes in memory for each byte stored; None where that is not known, or nothing is stored."""
        return self.count_bytes / self.count_bytes_stored if self.count_bytes_stored else None

    def __repr__(self) -> str:
        stored, ratio = self.count_bytes_stored, self.storage_ratio
        objects = "Chunks stored" if self.shard_shape is None else "Shards stored"
        return _lines(
            [
                ("Type", "Array"),
                ("Zarr format", self.zarr_format),
                ("Data type", self.data_type),
                ("Fill value", _shown(self.fill_value)),
                ("Shape", self.shape),
                ("Chunk shape", self.chunk_shape),
                ("Shard shape", self.shard_shape),
                ("Order", self.order),
                ("Read-only", self.read_only),
                ("Store type", self.store_type),
                ("Codecs", ", ".join(self.codecs)),
                ("Bytes", _bytes_line(self.count_bytes)),
                ("Bytes stored", None if stored is None else _bytes_line(stored)),
                ("Storage ratio", None if ratio is None else f"{ratio:.1f}"),
                (
                    objects,
                    None
                    if self.count_chunks_initialized is None
                    else f"{self.count_chunks_initialized} of {self.count_chunks}",
                ),
            ]
        )


def _shown(fill_value: Any) -> object:
    try:
        return str(fill_value) if fill_value is not None else None
    except OverflowError:
        # NumPy has no date for a time far off; in a structure it may stand with others.
        return (
            fill_value.tobytes().hex() if fill_value.dtype.names else f"{fill_value.view('int64')} ({fill_value.dtype})"
        )


@dataclass(frozen=True, kw_only=True)
class GroupInfo:
    """What a group is; with its members counted, where that was asked for.

    Parameters
    ----------
    name : str
        The path, with a slash in front.
    zarr_format : int or str
        The format of the document.
    read_only : bool
        Whether writes are refused.
    store_type : str
        The class of the store.
    count_arrays, count_groups : int, optional
        Members at any depth.
    """

    name: str
    zarr_format: int | str
    read_only: bool
    store_type: str
    count_arrays: int | None = None
    count_groups: int | None = None

    def __repr__(self) -> str:
        return _lines(
            [
                ("Name", self.name),
                ("Type", "Group"),
                ("Zarr format", self.zarr_format),
                ("Read-only", self.read_only),
                ("Store type", self.store_type),
                ("Arrays", self.count_arrays),
                ("Groups", self.count_groups),
            ]
        )


@dataclass(frozen=True)
class Tree:
    """A node with what is below it.

    Parameters
    ----------
    label : str
        The node's line.
    children : list of Tree
        The nodes below, in the order in which they are shown.
    hidden : int
        Nodes that were left out because there are too many.

    Examples
    --------
    >>> Tree("/", [Tree("a (4,) float32"), Tree("b", [Tree("c (2, 2) uint8")])])
    /
    ├── a (4,) float32
    └── b
        └── c (2, 2) uint8
    """

    label: str
    children: list[Tree] = field(default_factory=list)
    hidden: int = 0

    def __repr__(self) -> str:
        lines = [self.label, *self._below("")]
        if self.hidden:
            lines.append(f"... and {self.hidden} more")
        return "\n".join(lines)

    def _below(self, indent: str) -> list[str]:
        lines = []
        for index, child in enumerate(self.children):
            is_last = index == len(self.children) - 1
            lines.append(f"{indent}{'└── ' if is_last else '├── '}{child.label}")
            lines += child._below(indent + ("    " if is_last else "│   "))
        return lines
