"""Documents that name sizes which nobody has are errors of the tree, and cost nothing.

Each codec is tried in a process of its own, whose memory is bounded: `python tests/children/sizes.py CODEC` repeats it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from every_codec import CODECS

CHILD = Path(__file__).parent / "children" / "sizes.py"


@pytest.mark.parametrize("codec", CODECS)
def test_sizes_that_nobody_has(codec: str) -> None:
    child = subprocess.run([sys.executable, str(CHILD), codec], capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, f"it ended with {child.returncode}: {child.stderr[-2000:]}"
    assert child.stderr == ""
    found = json.loads(child.stdout)
    assert found.pop("good") == "items"
    # A long array of chunks of the right size has its first chunk, whatever is behind that.
    assert found.pop("long array") == "items"
    allowed = {"LimitError", "MetadataError", "UnsupportedError"}
    small = {name: error for name, error in found.items() if name in ("count", "long array in one inner chunk")}
    large = {name: error for name, error in found.items() if name not in small}
    assert set(large.values()) <= allowed, large
    # Here the chunk is another than the stored one, and may be found to be so.
    damage = {"CodecError", "ChecksumError", "SizeError", "TruncatedError", "ShardIndexError"}
    assert set(small.values()) <= {*allowed, *damage, "items"}, small
