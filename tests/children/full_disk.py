"""Writes what does not fit, where no file may grow past 1 MiB: `full_disk.py PATH WHAT`. Prints the error as JSON.

A small file system cannot be mounted everywhere. With SIGXFSZ ignored, the limit on a file's size makes `write` fail
half-way, as a full disk does.
"""

from __future__ import annotations

import errno
import json
import resource
import signal
import sys
from typing import Any

import numpy as np

import zarrpipe
from zarrpipe.errors import StoreError


def write(array: Any, what: str) -> None:
    values = np.random.default_rng(2).integers(0, 2**62, array.metadata.chunk_grid.chunk_shape)
    if what == "attributes":
        array.attrs["big"] = "x" * 2**21
    elif what == "shard-inner":
        # The new inner chunk is small: the rest of the shard is what does not fit.
        array[0:64, 0:64] = values[0:64, 0:64]
    else:
        array[: values.shape[0]] = values


def main() -> None:
    array = zarrpipe.open_array(sys.argv[1], mode="r+")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    try:
        write(array, sys.argv[2])
    except StoreError as error:
        found = {
            "kind": type(error).__name__,
            "errno": errno.errorcode.get(error.errno or 0, str(error.errno)),
            "key": error.key,
        }
        sys.stdout.write(json.dumps(found))


main()
