"""Reads an array whose chunk was tampered with: `bounded.py PATH whole|part`. Prints what came of it as JSON.

Its memory is bounded by what it has already and 256 MiB: a decoder that takes what a header says ends it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import zarrpipe
from zarrpipe.errors import ZarrpipeError

SPARE = 2**28


def address_space() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - nothing else is needed of pathlib
        return int(file.read().split()[0]) * resource.getpagesize()


def main() -> None:
    array: Any = zarrpipe.open_array(sys.argv[1], mode="r")
    selection: Any = ... if sys.argv[2] == "whole" else tuple(slice(1, 2) for _ in array.shape)
    # Another chunk, which is whole: the threads, with their stacks, are there before memory is bounded.
    array[array.shape[0] // 2 :]
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + SPARE, -1))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    found: dict[str, Any] = {"error": None}
    try:
        array[selection]
    except ZarrpipeError as error:
        found["error"] = type(error).__name__
        found["codec"] = getattr(error, "codec", None)
        found["key"] = getattr(error, "key", None)
        found["chunk"] = getattr(error, "chunk", None)
        found["message"] = str(error)
    found["seconds"] = time.monotonic() - start
    found["kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps(found))


main()
