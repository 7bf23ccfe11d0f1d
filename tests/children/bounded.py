"""Reads an array whose chunk was tampered with: `bounded.py PATH`. Prints what came of it as JSON.

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


def attempt(array: Any, selection: Any) -> dict[str, Any]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The processor's time too: on a busy machine it says more.
    start, cpu_start = time.monotonic(), time.process_time()
    found: dict[str, Any] = {"error": None}
    try:
        array[selection]
    except ZarrpipeError as error:
        found["error"] = type(error).__name__
        for name in ("codec", "key", "chunk"):
            found[name] = getattr(error, name, None)
        found["message"] = str(error)
    found["seconds"], found["cpu_seconds"] = time.monotonic() - start, time.process_time() - cpu_start
    found["kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return found


def main() -> None:
    array: Any = zarrpipe.open_array(sys.argv[1], mode="r")
    # Another chunk, which is whole: the threads, with their stacks, are there before memory is bounded.
    array[array.shape[0] // 2 :]
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + SPARE, -1))
    # The part first: what the peak is after the whole says nothing of it.
    json.dump({"part": attempt(array, slice(1, 2)), "whole": attempt(array, ...)}, sys.stdout)


main()
