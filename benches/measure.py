"""One measurement of one library, in a process of its own.

It prints one line of JSON: the seconds of each run, the first included, or the bytes of the peak; the process ends
with an error where a result is wrong. `run.py` starts it; by hand:

    python benches/measure.py --contender zarrpipe --row shard --op read --data DIR/shard --scratch DIR/scratch
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contenders import CONTENDERS, Contender, other_than, same
from layouts import (
    DTYPE,
    LAYOUTS,
    PLANE,
    Layout,
    chunk_boxes,
    copy_first_block,
    first_block,
    random_boxes,
    shape_of,
    values,
    whole,
    write_document,
)

_OPENS: Final = 20

# A run: what it took, and how many operations it was.
Runs = Iterator[tuple[float, int]]


@dataclass
class Job:
    contender: Contender
    checker: str
    layout: Layout
    data: Path
    scratch: Path
    shape: tuple[int, int, int]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _check(right: bool, what: str) -> None:
    if not right:
        raise SystemExit(f"wrong: {what}")


def _check_whole(found: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    for box in chunk_boxes(shape):
        _check(same(found[box], values(box)), f"what was read of {box}")


def read(job: Job) -> Runs:
    """All of the array, into a new one each time."""
    array = job.contender.open(job.data)
    for run in count():
        seconds, found = _timed(lambda: job.contender.read(array, whole(job.shape)))
        if run == 0:
            _check_whole(found, job.shape)
        del found  # before the next run, which would otherwise hold two
        yield seconds, 1


def warm(job: Job) -> Runs:
    """All of the array, into one whose pages are there."""
    array = job.contender.open(job.data)
    out = np.ones(job.shape, dtype=DTYPE)
    for run in count():
        seconds, _ = _timed(lambda: job.contender.read_into(array, whole(job.shape), out))
        if run == 0:
            _check_whole(out, job.shape)
        yield seconds, 1


def write(job: Job) -> Runs:
    """All of the array, to files that are not there yet."""
    value = values(whole(job.shape))
    for run in count():
        target = job.scratch / "written"
        write_document(target, job.layout, job.shape)
        array = job.contender.open(target, writable=True)
        seconds, _ = _timed(lambda array=array: job.contender.write(array, whole(job.shape), value))
        if run == 0:
            # By another library: one that misreads its own mistake would find nothing.
            checker = CONTENDERS[job.checker]()
            written = checker.open(target)
            for box in chunk_boxes(job.shape):
                _check(same(checker.read(written, box), value[box]), f"what was written to {box}")
        shutil.rmtree(target)
        # What was removed needs no writing out any more; the rest must not fall into the next run.
        os.sync()
        yield seconds, 1


def random(job: Job) -> Runs:
    """Boxes of 16^3, one call each; no box comes twice."""
    array = job.contender.open(job.data)
    for run in count():
        boxes = random_boxes(job.layout.random_reads, job.shape, seed=run)
        seconds, found = _timed(lambda boxes=boxes: [job.contender.read(array, box) for box in boxes])
        for box, part in zip(boxes, found, strict=True):
            _check(same(part, values(box)), f"what was read of {box}")
        yield seconds, len(boxes)


def update(job: Job) -> Runs:
    """Boxes of 16^3 written into chunks that are there, one call each."""
    target = job.scratch / "updated"
    copy_first_block(job.data, target, job.layout, job.shape)
    block = first_block(job.shape)
    expected = values(whole(block))
    array = job.contender.open(target, writable=True)
    for run in count():
        boxes = random_boxes(job.layout.updates, block, seed=run)
        parts = [values(box) ^ np.uint16(1 + at) for at, box in enumerate(boxes)]
        pairs = list(zip(boxes, parts, strict=True))
        seconds, _ = _timed(lambda pairs=pairs: [job.contender.write(array, box, part) for box, part in pairs])
        for box, part in pairs:
            expected[box] = part
        if run == 0:
            checker = CONTENDERS[job.checker]()
            found = checker.read(checker.open(target), whole(block))
            _check(same(found, expected), "what is there after updates")
        yield seconds, len(boxes)


def plane(job: Job) -> Runs:
    """One plane across the longest rows, by an integer."""
    array = job.contender.open(job.data)
    expected = values((slice(PLANE, PLANE + 1), *whole(job.shape)[1:]))[0]
    while True:
        seconds, found = _timed(lambda: job.contender.read(array, PLANE))
        _check(same(found, expected), "the plane")
        yield seconds, 1


def open_(job: Job) -> Runs:
    """Opening, without a read."""
    while True:
        seconds, arrays = _timed(lambda: [job.contender.open(job.data) for _ in range(_OPENS)])
        _check(all(tuple(array.shape) == job.shape for array in arrays), "the shape")
        del arrays
        yield seconds, _OPENS


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def memory(job: Job) -> int:
    """How far one read of all of the array raises the process's peak above what it had when the array was open."""
    array = job.contender.open(job.data)
    try:
        # Sets VmHWM to what is resident now: imports may have had a higher peak, which would hide a part of this one.
        Path("/proc/self/clear_refs").write_text("5")
        base = _status("VmRSS")
    except OSError:
        base = _status("VmHWM")
    found = job.contender.read(array, whole(job.shape))
    peak = _status("VmHWM") - base
    _check_whole(found, job.shape)
    return peak


TIMED: Final[dict[str, Callable[[Job], Runs]]] = {
    "read": read,
    "warm": warm,
    "write": write,
    "random": random,
    "update": update,
    "plane": plane,
    "open": open_,
}


def take(runs: Runs, repeats: int, budget: float) -> list[float]:
    """Return what the runs took: one that is dropped later and `repeats` more, or those that begin in the budget."""
    seconds: list[float] = []
    # Only what is timed counts: checks and copies are as long for a fast library as for a slow one.
    spent = 0.0
    while len(seconds) <= repeats and spent < budget:
        each, operations = next(runs)
        seconds.append(each / operations)
        spent += each
    return seconds


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contender", choices=CONTENDERS, required=True)
    parser.add_argument("--row", choices=LAYOUTS, required=True)
    parser.add_argument("--op", choices=[*TIMED, "memory"], required=True)
    parser.add_argument("--data", type=Path, required=True, help="the array to read")
    parser.add_argument("--scratch", type=Path, required=True, help="a directory to write in; it is removed")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the array (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first (%(default)s)")
    parser.add_argument(
        "--budget", type=float, default=20, help="timed seconds after which no run begins (%(default)s)"
    )
    arguments = parser.parse_args()
    job = Job(
        contender=CONTENDERS[arguments.contender](),
        checker=other_than(arguments.contender),
        layout=LAYOUTS[arguments.row],
        data=arguments.data,
        scratch=arguments.scratch,
        shape=shape_of(arguments.size),
    )
    job.scratch.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.op == "memory":
            result: dict[str, Any] = {"peak_nbytes": memory(job)}
        else:
            result = {"seconds": take(TIMED[arguments.op](job), arguments.repeats, arguments.budget)}
    finally:
        shutil.rmtree(job.scratch, ignore_errors=True)
    json.dump(result, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
