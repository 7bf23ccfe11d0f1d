"""What `zarrpipe copy` makes of its options, and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from zarrpipe.cli.chains import parse_chain
from zarrpipe.cli.create import sharding
from zarrpipe.cli.terminal import format_nbytes

if TYPE_CHECKING:
    from zarrpipe.arrays import Array
    from zarrpipe.jobs import CopyReport

__all__ = ["CopyLayout", "describe_report"]


@dataclass(frozen=True)
class CopyLayout:
    """How each array of a copy is stored; None leaves it as it is.

    Attributes
    ----------
    chunks : tuple of int, optional
        Shape of a chunk, or of an inner chunk where there are shards.
    shards : tuple of int or False, optional
        Shape of a shard; False for no shards.
    codecs : str, optional
        The chain as it was typed, that of the inner chunks where there are shards.
    """

    chunks: tuple[int, ...] | None
    shards: tuple[int, ...] | bool | None
    codecs: str | None

    def __call__(self, array: Array) -> dict[str, Any]:
        """Return the parameters of `zarrpipe.copy` for an array of the source.

        Raises
        ------
        click.UsageError
            They do not fit the array.
        """
        for name, extent in (("--chunks", self.chunks), ("--shards", self.shards)):
            if isinstance(extent, tuple) and len(extent) != array.ndim:
                message = f"{name} has {len(extent)} axes, but the array {array.name!r} has {array.ndim}"
                raise click.UsageError(message)
        if self.codecs is None:
            given = {"chunks": self.chunks, "shards": self.shards}
            options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            return {**options, "shards": None} if self.shards is False else options
        try:
            chain = parse_chain(self.codecs, ndim=array.ndim, dtype=array.dtype)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        shards = array.shards if self.shards is None else self.shards or None
        if shards is None:
            return {"codecs": chain, "chunks": self.chunks or array.metadata.chunk_grid}
        return {"codecs": [sharding(self.chunks or array.chunks, chain)], "chunks": shards}


def describe_report(report: CopyReport, *, dry_run: bool) -> str:
    """Write what was copied, for people."""
    nodes = f"{_count(report.arrays, 'array')}, {_count(report.groups, 'group')}"
    size = "" if report.nbytes_copied is None else f" ({format_nbytes(report.nbytes_copied)})"
    parts = [f"{_count(report.chunks_copied, 'chunk')} copied as stored{size}"]
    if report.chunks_encoded:
        parts.append(f"{report.chunks_encoded} encoded anew")
    if report.chunks_skipped:
        parts.append(f"{report.chunks_skipped} there already")
    lines = [f"{'would copy ' if dry_run else ''}{nodes}: {', '.join(parts)}"]
    if report.foreign_keys:
        lines.append(f"not copied, since no node has them: {_count(len(report.foreign_keys), 'key')}")
        lines += [f"  {key}" for key in report.foreign_keys[:10]]
        lines += ["  ..."] if len(report.foreign_keys) > 10 else []
    return "\n".join(lines)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
