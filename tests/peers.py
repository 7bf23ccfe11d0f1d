"""The other implementations of Zarr, each as a function that reads or writes an array that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr

Peer = Callable[[Path, Any | None], Any]
"""Given a folder, returns the items there; given values too, writes them."""


def by_zarr(folder: Path, values: Any | None) -> Any:
    array = zarr.open_array(folder, mode="r" if values is None else "r+")
    if values is None:
        return array[...]
    array[...] = values
    return None


def by_zarrs(folder: Path, values: Any | None) -> Any:
    settings = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    with zarr.config.set(settings):
        return by_zarr(folder, values)


def by_tensorstore(folder: Path, values: Any | None) -> Any:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{folder}/"}}
    array = tensorstore.open(spec).result()
    if values is None:
        return array.read().result()
    array.write(values).result()
    return None


PEERS = {"P": by_zarr, "Z": by_zarrs, "T": by_tensorstore}


@contextmanager
def any_failure() -> Iterator[list[BaseException]]:
    """What a peer raises, a panic of its Rust code too, is its answer."""
    failed: list[BaseException] = []
    try:
        yield failed
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001
        failed.append(error)


def same(found: Any, want: Any) -> bool:
    found, want = np.asarray(found), np.asarray(want)
    if found.shape != want.shape:
        return False
    if want.dtype == object or want.dtype.kind == "T":
        return bool((found.astype(object) == want.astype(object)).all())
    return found.tobytes() == want.tobytes()
