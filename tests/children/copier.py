"""Copies slowly: `copier.py SOURCE DEST bytes|items`. Says when it begins and when it is done."""

from __future__ import annotations

import sys

import zarrpipe
import zarrpipe.jobs.regions
from zarrpipe.stores import LatencyStore, LocalStore


def main() -> None:
    source, dest, kind = sys.argv[1:]
    changes = {} if kind == "bytes" else {"chunks": (5,), "shards": (10,)}
    # Regions of a few chunks, so that there are many of them.
    zarrpipe.jobs.regions.REGION_NBYTES = 80  # type: ignore[misc]
    zarrpipe.jobs.regions._TOGETHER_NBYTES = 160  # type: ignore[misc]
    print("copying", flush=True)
    with zarrpipe.config.set(io_requests=4):
        zarrpipe.copy(LocalStore(source), LatencyStore(LocalStore(dest), set_latency=0.01), resume=True, **changes)
    print("done", flush=True)


main()
