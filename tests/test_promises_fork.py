"""After a fork both processes work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILDREN = Path(__file__).parent / "children"


@pytest.mark.parametrize("method", ["os", "busy", "fork", "forkserver", "spawn"])
def test_both_processes_work_after_a_fork(tmp_path: Path, method: str) -> None:
    # In a process of its own: one that hangs must not take the test's with it.
    command = [sys.executable, str(CHILDREN / "forks.py"), method, str(tmp_path / "a.zarr")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert child.stdout == "done\n"
