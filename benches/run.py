"""Measure zarrpipe beside the other libraries, in one run, and print where it is slower.

Each measurement has its own process. The contenders take turns, round by round, so that a machine that gets slower
gets slower for all; the first run of each process is dropped. `benches/README.md` says what the numbers are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from contenders import CONTENDERS, installed, other_than
from layouts import LAYOUTS, chunk_boxes, shape_of, stored_nbytes, values, write_document

HERE: Final = Path(__file__).parent
OURS: Final = next(iter(CONTENDERS))


class Op(NamedTuple):
    title: str
    unit: str
    per_second: float
    """How many of the unit are one second; for bytes, how many are one byte."""


OPS: Final = {
    "read": Op("whole read, new output", "ms", 1e3),
    "warm": Op("whole read, warm output", "ms", 1e3),
    "write": Op("whole write, new files", "ms", 1e3),
    "random": Op("random read of 16^3", "us", 1e6),
    "update": Op("update of 16^3", "ms", 1e3),
    "plane": Op("one plane, z[100]", "ms", 1e3),
    "open": Op("open", "us", 1e6),
    "memory": Op("peak memory of a whole read, above what was there before", "MiB", 2**-20),
}

SHORT: Final = {"rounds": 2, "repeats": 2, "size": 128, "budget": 1.5, "ops": ["read", "random"]}
LONG: Final = {"rounds": 3, "repeats": 3, "size": 1024, "budget": 20.0, "ops": list(OPS)}


@dataclass
class Cell:
    """What one contender did in one row of one operation."""

    rounds: dict[int, list[float]] = field(default_factory=dict)
    """The runs of each round, in the operation's unit, the first already dropped."""
    only_first: bool = False
    """In some process the first run took the whole budget, and is kept for want of another."""
    error: str | None = None

    @property
    def runs(self) -> list[float]:
        return [run for runs in self.rounds.values() for run in runs]

    @property
    def median(self) -> float | None:
        return statistics.median(self.runs) if self.runs and self.error is None else None

    @property
    def spread(self) -> float:
        """Half of what lies between the smallest and the largest run, in parts of the median."""
        return (max(self.runs) - min(self.runs)) / 2 / statistics.median(self.runs)

    def text(self) -> str:
        if self.error is not None:
            return self.error.split(":")[0]
        median = self.median
        if median is None:
            return "-"
        digits = 0 if median >= 1000 else 1 if median >= 10 else 2
        mark = "*" if self.only_first else ""
        if len(self.runs) == 1:
            return f"{median:.{digits}f}{mark}"
        return f"{median:.{digits}f}{mark} ±{self.spread:.0%}"


@dataclass
class Comparison:
    """The best of the others against zarrpipe: above 1 zarrpipe is ahead."""

    peer: str
    ratio: float
    lowest: float
    highest: float
    cold: bool
    """Whether a first run is in it."""

    def text(self) -> str:
        verdict = "SLOWER" if self.ratio < 1 else ""
        if verdict == "" and self.lowest < 1:
            verdict = "not in every round"
        mark = "*" if self.cold else ""
        return f"{self.ratio:.2f}{mark} ({self.lowest:.2f}-{self.highest:.2f}) {self.peer}  {verdict}".rstrip()


Cells = dict[str, Cell]


def compare(cells: Cells) -> Comparison | None:
    """Compare round by round with the one whose median is the best."""
    ours = cells.get(OURS)
    peers = {name: cell.median for name, cell in cells.items() if name != OURS and cell.median is not None}
    if ours is None or ours.median is None or not peers:
        return None
    peer = min(peers, key=lambda name: peers[name])
    theirs = cells[peer]
    ratios = [
        statistics.median(theirs.rounds[at]) / statistics.median(ours.rounds[at])
        for at in ours.rounds
        if at in theirs.rounds
    ] or [theirs.median / ours.median]
    cold = ours.only_first or theirs.only_first
    return Comparison(peer, statistics.median(ratios), min(ratios), max(ratios), cold)


class Bench:
    """One run of the measurements that the arguments name.

    Parameters
    ----------
    arguments : argparse.Namespace
        The command line.
    directory : Path
        Where the arrays lie while it runs.
    """

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self.arguments = arguments
        self.directory = directory
        self.shape = shape_of(arguments.size)
        self.contenders = [name for name in arguments.contenders if name in installed()]

    def make(self, row: str) -> Path:
        """Write a row's array, a few chunks at a time."""
        # By another library, so that zarrpipe is not measured on files laid out by itself.
        maker = CONTENDERS[other_than(OURS)]()
        path = self.directory / row
        write_document(path, LAYOUTS[row], self.shape)
        array = maker.open(path, writable=True)
        for box in chunk_boxes(self.shape):
            maker.write(array, box, values(box))
        # Else the first contenders would share the disk with what is still being written out.
        os.sync()
        return path

    def measure(self, row: str, op: str) -> Cells:
        """All contenders in turn, as many times as there are rounds."""
        cells = {name: Cell() for name in self.contenders}
        for at in range(self.arguments.rounds):
            # Every other round backwards: whoever runs after a heavy one is not always the same.
            order = self.contenders if at % 2 == 0 else self.contenders[::-1]
            for name in order:
                cell = cells[name]
                # A peer that needs the whole budget for one run is not close, and a failed one fails again.
                if cell.error is None and (not cell.only_first or name == OURS):
                    self._measure_one(cell, name, row, op, at)
        return cells

    def _measure_one(self, cell: Cell, name: str, row: str, op: str, at: int) -> None:
        command = [sys.executable, str(HERE / "measure.py"), "--contender", name, "--row", row, "--op", op]
        command += ["--data", str(self.directory / row), "--scratch", str(self.directory / "scratch")]
        command += ["--size", str(self.arguments.size), "--repeats", str(self.arguments.repeats)]
        command += ["--budget", str(self.arguments.budget)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=self.arguments.timeout)
        except subprocess.TimeoutExpired:
            shutil.rmtree(self.directory / "scratch", ignore_errors=True)
            cell.error = f"too slow: not done after {self.arguments.timeout:g} s"
            return
        lines = ended.stdout.splitlines()
        if ended.returncode != 0 or not lines:
            said = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
            cell.error = said[-1] if said[-1].startswith("wrong:") else f"failed: {said[-1]}"
            return
        result = json.loads(lines[-1])
        if op == "memory":
            runs = [result["peak_nbytes"]]
        else:
            one = len(result["seconds"]) == 1
            cell.only_first = cell.only_first or one
            runs = result["seconds"] if one else result["seconds"][1:]
        cell.rounds[at] = [run * OPS[op].per_second for run in runs]


def table(op: str, rows: dict[str, Cells]) -> str:
    """Lay out one operation's results."""
    names = list(next(iter(rows.values())))
    head = [f"{OPS[op].title}, {OPS[op].unit}", *names, f"best other / {OURS}"]
    body = []
    for row, cells in rows.items():
        comparison = compare(cells)
        body.append([row, *(cell.text() for cell in cells.values()), comparison.text() if comparison else "-"])
    widths = [max(len(line[at]) for line in [*body, head]) for at in range(len(head))]
    # The title may be long, and the rows' names are short: it has a line of its own.
    widths[0] = max(len(line[0]) for line in body)

    def lay(line: Sequence[str]) -> str:
        first, *others, last = line
        return "  ".join([first.ljust(widths[0]), *(map(str.rjust, others, widths[1:])), last]).rstrip()

    return "\n".join([head[0], lay(["", *head[1:]]), *(lay(line) for line in body), ""])


def notes(results: dict[str, dict[str, Cells]]) -> Iterator[str]:
    """What failed, in full, and every place where zarrpipe is slower."""
    everything = [(op, row, cells) for op, rows in results.items() for row, cells in rows.items()]
    for op, row, cells in everything:
        for name, cell in cells.items():
            if cell.error is not None:
                yield f"{op} {row} {name}: {cell.error}"
    compared = [(op, row, compare(cells)) for op, row, cells in everything]
    slower = [(op, row, found) for op, row, found in compared if found is not None and found.ratio < 1]
    count = sum(found is not None for _, _, found in compared)
    if count < len(compared):
        yield f"Not compared, because {OURS} or every other one has no result: {len(compared) - count}."
    if count:
        unsure = sum(found is not None and found.lowest < 1 <= found.ratio for _, _, found in compared)
        yield f"{OURS} is ahead of all others in {count - len(slower)} of {count}, in {unsure} of them not every round."
    for op, row, found in slower:
        yield f"SLOWER: {op} {row}: {found.peer} takes {found.ratio:.2f} of what {OURS} takes"


def environment(bench: Bench) -> dict[str, Any]:
    """What the numbers depend on."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {name: version for name, version in installed().items() if name in bench.contenders}
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": processors,
        "shape": bench.shape,
        "versions": versions,
        "missing": [name for name in bench.arguments.contenders if name not in versions],
        "rounds": bench.arguments.rounds,
        "repeats": bench.arguments.repeats,
    }


def write_json(about: dict[str, Any], results: dict[str, dict[str, Cells]], path: Path) -> None:
    """Write all runs, for whoever wants other figures than medians."""
    document: dict[str, Any] = {"environment": about, "results": {}}
    for op, rows in results.items():
        document["results"][op] = {"unit": OPS[op].unit, "rows": {}}
        for row, cells in rows.items():
            comparison = compare(cells)
            document["results"][op]["rows"][row] = {
                "contenders": {name: asdict(cell) | {"median": cell.median} for name, cell in cells.items()},
                "comparison": asdict(comparison) if comparison else None,
            }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """Read the command line; what is not given has the short or the long form's value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a small array, two operations, less than 3 minutes")
    parser.add_argument("--rows", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--ops", nargs="+", choices=OPS)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, help="processes for each measurement")
    parser.add_argument("--repeats", type=int, help="runs in each process after the first, which is dropped")
    parser.add_argument("--size", type=int, help="MiB of the array; 32, 64 and so on up to 1024")
    parser.add_argument("--budget", type=float, help="timed seconds after which a process begins no further run")
    parser.add_argument("--timeout", type=float, default=180, help="seconds until a process is given up")
    parser.add_argument("--dir", type=Path, help="where to keep the arrays while it runs (a temporary directory)")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "results.json", help="the JSON file")
    arguments = parser.parse_args()
    for name, value in (SHORT if arguments.short else LONG).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def main() -> int:
    """Measure, print, and return 1 where a result was wrong or zarrpipe failed."""
    arguments = parse()
    began = time.monotonic()
    if arguments.dir is not None:
        arguments.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="zarrpipe-bench-", dir=arguments.dir) as directory:
        bench = Bench(arguments, Path(directory))
        about = environment(bench)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        sys.stdout.write(f"u16 {bench.shape}, {about['processors']} processors, Python {about['python']}: {versions}\n")
        for name in about["missing"]:
            sys.stdout.write(f"not installed, left out: {name}\n")
        results: dict[str, dict[str, Cells]] = {op: {} for op in arguments.ops}
        for row in arguments.rows:
            stored = stored_nbytes(path := bench.make(row))
            sys.stdout.write(f"{row}: {LAYOUTS[row].description}, {stored / 2**20:.1f} MiB stored\n")
            for op in arguments.ops:
                sys.stdout.flush()
                results[op][row] = bench.measure(row, op)
            shutil.rmtree(path)
    sys.stdout.write("\n")
    for op, rows in results.items():
        sys.stdout.write(table(op, rows) + "\n")
    for note in notes(results):
        sys.stdout.write(note + "\n")
    write_json(about, results, arguments.out)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    sys.stdout.write(f"Took {minutes} min {seconds} s.\n")
    cells = [(name, cell) for rows in results.values() for row in rows.values() for name, cell in row.items()]
    bad = any(cell.error and (name == OURS or cell.error.startswith("wrong:")) for name, cell in cells)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
