"""Reads an array, again and again, of which one chunk fails at once and the others do not: `failing_reads.py PATH`.

A call that failed gives its output back: whatever still writes there writes into memory of somebody else.
"""

from __future__ import annotations

import sys

import zarrpipe
from zarrpipe.errors import CodecError

array = zarrpipe.open_array(sys.argv[1], mode="r")
for _ in range(300):
    try:
        array[...]
    except CodecError:
        continue
    sys.exit("a read did not fail")
