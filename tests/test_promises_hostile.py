"""A stored value that someone tampered with gives data or an error of the tree: no crash, no hang, nothing else.

Each chain is tried in a process of its own: `python tests/children/hostile.py CHAIN SEED COUNT FOLDER` repeats it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from every_codec import CODECS, OBJECTS

CHILD = Path(__file__).parent / "children" / "hostile.py"
CHAINS = re.findall(r'^    "([\w-]+)": ', CHILD.read_text(), re.MULTILINE)


def test_the_chains_were_found() -> None:
    assert len(CHAINS) == 24


@pytest.mark.parametrize("chain", [*CHAINS, *CODECS, *OBJECTS])
def test_a_tampered_value_is_data_or_an_error(tmp_path: Path, chain: str) -> None:
    command = [sys.executable, str(CHILD), chain, "1", "300", str(tmp_path / "a.zarr")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, f"it ended with {child.returncode}: {child.stderr[-2000:]}"
    # Not even a panic that was caught, nor a warning of C.
    assert child.stderr == ""
    found = json.loads(child.stdout)
    assert found["problems"] == {}
    # The mutations meet what they should: some are found, and where nothing is compressed some are not.
    assert found["errors"] > 50
    assert found["reads"] + found["errors"] > 1000
