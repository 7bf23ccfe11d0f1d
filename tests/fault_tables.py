"""The tables of ``docs/faults.md``: how they are written, and where a row stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "faults.md"


def table(title: str, columns: Iterable[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Return a table as it stands in the document."""
    lines = [["", *columns], *([name, *cells] for name, cells in rows.items())]
    lines.insert(1, ["---"] * len(lines[0]))
    return f"## {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def stored_row(title: str, name: str) -> list[str]:
    """Return the cells of a row of the document."""
    part = DOCUMENT.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    (line,) = (line for line in part.splitlines() if line.startswith(f"| {name} | "))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def titles() -> list[str]:
    """Return the titles of the document's tables."""
    return [line.removeprefix("## ") for line in DOCUMENT.read_text().splitlines() if line.startswith("## ")]
