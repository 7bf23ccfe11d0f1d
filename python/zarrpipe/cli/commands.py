"""The commands: what they take, what they print, how they fail."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import zarrpipe
from zarrpipe.cli.chains import parse_chain
from zarrpipe.cli.copying import CopyLayout, describe_report
from zarrpipe.cli.create import Layout, import_source
from zarrpipe.cli.describe import describe, describe_array, describe_tree
from zarrpipe.cli.places import LocalPlace, Options, Place, PlaceType, options_of, storage_options
from zarrpipe.cli.sources import MemberSource, RawSource, Source, ZarrSource, npy_source
from zarrpipe.cli.targets import export
from zarrpipe.cli.terminal import bar, format_fields, format_nbytes
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import ZarrpipeError

if TYPE_CHECKING:
    from zarrpipe.arrays import Array

__all__ = ["app", "run"]

# What an operation may fail with; anything else is a defect and shows its traceback.
_FAILURES = (
    ZarrpipeError,
    OSError,
    ValueError,
    TypeError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def run(args: list[str] | None = None) -> int:
    """Run one command; see `zarrpipe.cli.main`."""
    try:
        app(args, prog_name="zarrpipe", standalone_mode=False)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 1)
    except BrokenPipeError:
        # The reader has seen enough; what Python would flush at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _FAILURES as error:
        return _fail(_one_line(error), 1)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"zarrpipe: {' '.join(message.split())}", file=sys.stderr)
    return code


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and not isinstance(error, ZarrpipeError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    # A store's own exceptions name their key in a note.
    return "; ".join([str(error) or type(error).__name__, *getattr(error, "__notes__", ())])


def _extent(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Parse a shape: `512,1024` or `512x1024`; nothing between is the shape of a scalar."""
    if value is None:
        return None
    try:
        shape = tuple(int(word) for word in value.replace("x", ",").split(",") if word.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a shape such as 512,1024") from None
    if any(n < 0 for n in shape):
        raise click.BadParameter(f"{value!r} has a negative extent")
    return shape


def _dtype(_ctx: click.Context, _param: click.Parameter, value: str | None) -> np.dtype[Any] | None:
    if value is None:
        return None
    try:
        return np.dtype(value)
    except TypeError:
        pass
    try:
        # Zarr's names, of what NumPy does not have: bfloat16, r24.
        dtype: np.dtype[Any] = parse_dtype(value).to_native_dtype()
    except (TypeError, ValueError, NotImplementedError):
        raise click.BadParameter(f"{value!r} is not a NumPy data type such as <u2 or float32") from None
    return dtype


def _dtype_name(dtype: np.dtype[Any]) -> str:
    """NumPy's short name; that of ml_dtypes where the short one means bytes."""
    return dtype.str if np.dtype(dtype.str) == dtype else str(dtype)


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a machine to read.")
_overwrite = click.option("--overwrite", is_flag=True, help="Replace what is at OUT.")


class _Commands(click.Group):
    """click ends a line on stderr when it is interrupted, and takes the end of a file for an interruption."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except EOFError as error:
            raise click.ClickException(_one_line(error)) from None


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zarrpipe.__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Store N-dimensional arrays in the Zarr format, and look at them."""


@app.command("import")
@click.argument("source", metavar="IN", type=PlaceType())
@click.argument("target", metavar="OUT", type=LocalPlace())
@click.option(
    "--chunks", metavar="N,N,...", callback=_extent, help="Shape of a chunk (with --shards: of an inner one)."
)
@click.option("--shards", metavar="N,N,...", callback=_extent, help="Shape of a shard.")
@click.option("--codecs", metavar="CHAIN", help="Names (bytes,zstd), a JSON list as in zarr.json, or @FILE of one.")
@click.option("--dtype", callback=_dtype, help="Raw binary: type of an item, as NumPy writes it (<u2).")
@click.option("--shape", metavar="N,N,...", callback=_extent, help="Raw binary: shape of the array.")
@click.option("--member", help=".npz: which of its arrays.")
@storage_options
@_overwrite
@_as_json
def import_(
    source: Place,
    target: Path,
    chunks: tuple[int, ...] | None,
    shards: tuple[int, ...] | None,
    codecs: str | None,
    dtype: np.dtype[Any] | None,
    shape: tuple[int, ...] | None,
    member: str | None,
    storage_options: Options,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Copy IN into a new Zarr array OUT.

    IN is a .npy file, an array of a .npz file, raw binary (with --dtype and --shape), or another Zarr array. It is
    copied slab by slab, so that memory stays bounded, and OUT appears when it is complete.
    """
    began = time.perf_counter()
    opened = _open_source(source, storage_options, dtype, shape, member)
    with opened if isinstance(opened, MemberSource) else nullcontext():
        for name, extent in (("--chunks", chunks), ("--shards", shards)):
            if extent is not None and len(extent) != len(opened.shape):
                raise click.UsageError(f"{name} has {len(extent)} axes, but the array has {len(opened.shape)}")
        chain = None if codecs is None else _usage(parse_chain, codecs, ndim=len(opened.shape), dtype=opened.dtype)
        array = import_source(
            opened, target, Layout(chunks, shards, chain), overwrite=overwrite, progress=bar("importing")
        )
    seconds = time.perf_counter() - began
    if as_json:
        _print_json({**describe_array(array), "path": str(target), "seconds": round(seconds, 3)})
    else:
        stored = array.nbytes_stored()
        size = f"{format_nbytes(array.nbytes)} in {format_nbytes(stored)}"
        click.echo(f"{target}: {_written_shape(array.shape)} {array.dtype}, {size}, {seconds:.1f} s")


@app.command("export")
@click.argument("source", metavar="IN", type=PlaceType())
@click.argument("target", metavar="OUT", type=LocalPlace())
@click.option("--format", "kind", type=click.Choice(["npy", "raw"]), help="By default, what OUT's name ends in.")
@storage_options
@_overwrite
@_as_json
def export_(
    source: Place, target: Path, kind: str | None, storage_options: Options, overwrite: bool, as_json: bool
) -> None:
    """Copy the Zarr array IN into the file OUT: .npy, or raw binary (.raw, .bin)."""
    if kind is None:
        kind = {".npy": "npy", ".raw": "raw", ".bin": "raw"}.get(target.suffix.lower())
    if kind is None:
        raise click.UsageError(f"cannot tell the format of {target}: name it .npy, .raw or .bin, or give --format")
    array = _open_array(source, storage_options)
    nbytes = export(array, target, header=kind == "npy", overwrite=overwrite, progress=bar("exporting"))
    if as_json:
        facts = {"path": str(target), "format": kind, "nbytes": nbytes}
        _print_json({**facts, "shape": list(array.shape), "dtype": _dtype_name(array.dtype)})
    else:
        click.echo(f"{target}: {_written_shape(array.shape)} {array.dtype}, {format_nbytes(nbytes)}")


@app.command("info")
@click.argument("path", metavar="PATH", type=PlaceType())
@storage_options
@_as_json
def info(path: Place, storage_options: Options, as_json: bool) -> None:
    """Say what the array or group at PATH is, and how much it takes."""
    facts = describe(zarrpipe.open(path, mode="r", storage_options=storage_options))
    if as_json:
        _print_json(facts)
    else:
        click.echo(format_fields((name, _written(name, value)) for name, value in facts.items() if value is not None))


@app.command("tree")
@click.argument("path", metavar="PATH", type=PlaceType())
@storage_options
@_as_json
def tree(path: Place, storage_options: Options, as_json: bool) -> None:
    """List the groups and arrays under PATH."""
    group = zarrpipe.open_group(path, mode="r", storage_options=storage_options)
    if as_json:
        _print_json(describe_tree(group))
    else:
        click.echo(str(group.tree()))


def _shards(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | bool | None:
    return False if value == "none" else _extent(ctx, param, value)


@app.command("copy")
@click.argument("source", metavar="SOURCE", type=PlaceType())
@click.argument("dest", metavar="DEST", type=PlaceType(exists=False))
@click.option("--path", default="", help="Which node of SOURCE; by default the root.")
@click.option("--dest-path", default="", help="Where in DEST; by default the root.")
@click.option("--chunks", metavar="N,N,...", callback=_extent, help="Shape of a chunk (with shards: of an inner one).")
@click.option("--shards", metavar="N,N,...", callback=_shards, help='Shape of a shard; "none" for no shards.')
@click.option("--codecs", metavar="CHAIN", help="Names (bytes,zstd), a JSON list as in zarr.json, or @FILE of one.")
@click.option("--zarr-format", type=click.Choice(["2", "3"]), help="Format of the copy; by default as it is.")
@click.option("--overwrite", is_flag=True, help="Replace the node that is there.")
@click.option("--resume", is_flag=True, help="Go on with a copy that was cut off.")
@click.option("--dry-run", is_flag=True, help="Write nothing, and say what would be copied.")
@click.option("--quiet", is_flag=True, help="Show no progress, and say nothing at the end.")
@options_of("--source-options", "SOURCE's store")
@options_of("--dest-options", "DEST's store")
@_as_json
def copy(
    source: Place,
    dest: Place,
    path: str,
    dest_path: str,
    chunks: tuple[int, ...] | None,
    shards: tuple[int, ...] | bool | None,
    codecs: str | None,
    zarr_format: str | None,
    overwrite: bool,
    resume: bool,
    dry_run: bool,
    quiet: bool,
    source_options: Options,
    dest_options: Options,
    as_json: bool,
) -> None:
    """Copy the array or group SOURCE, with all that is below it, to DEST: paths or URLs of any stores.

    What is stored in DEST as it is in SOURCE is copied as it is; else arrays are encoded anew, a part at a time. A copy
    that was cut off leaves nothing that looks whole, and --resume goes on with it.
    """
    if overwrite and resume:
        raise click.UsageError("--overwrite begins anew and --resume goes on: give one of them")
    report = zarrpipe.copy(
        source,
        dest,
        path=path,
        dest_path=dest_path,
        layout=CopyLayout(chunks, shards, codecs),
        zarr_format=None if zarr_format is None else 2 if zarr_format == "2" else 3,
        overwrite=overwrite,
        resume=resume,
        dry_run=dry_run,
        progress=None if quiet else bar("copying"),
        source_options=source_options,
        dest_options=dest_options,
    )
    if as_json:
        _print_json(asdict(report))
    elif not quiet:
        click.echo(f"{dest}: {describe_report(report, dry_run=dry_run)}")


def _open_source(
    path: Place,
    options: Options,
    dtype: np.dtype[Any] | None,
    shape: tuple[int, ...] | None,
    member: str | None,
) -> Source:
    if isinstance(path, str):
        return ZarrSource(_open_array(path, options))
    suffix = path.suffix.lower()
    is_raw = dtype is not None or shape is not None
    if member is not None and suffix != ".npz":
        raise click.UsageError("--member is for .npz files")
    if is_raw and (path.is_dir() or suffix in {".npy", ".npz"}):
        raise click.UsageError(f"--dtype and --shape are for raw binary; {path} says itself what it holds")
    if path.is_dir() or (suffix == ".zip" and not is_raw):
        return ZarrSource(_open_array(path, options))
    if suffix == ".npy":
        return npy_source(path)
    if suffix == ".npz":
        return MemberSource(path, member)
    if dtype is None or shape is None:
        raise click.UsageError(f"{path} is no .npy, .npz or Zarr array: raw binary needs both --dtype and --shape")
    if dtype.hasobject:
        raise click.UsageError(f"--dtype {dtype} holds Python objects")
    return RawSource(path, dtype, shape)


def _open_array(path: Place, options: Options) -> Array:
    return zarrpipe.open_array(path, mode="r", storage_options=options)


def _usage(parse: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return parse(*args, **kwargs)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _written_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _written(name: str, value: Any) -> str:
    if name.startswith("nbytes"):
        return f"{value} ({format_nbytes(value)})"
    return value if isinstance(value, str) else json.dumps(value)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
