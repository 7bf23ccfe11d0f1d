"""Jobs over whole arrays and hierarchies.

::

    copying      `copy`: any store to any store
    found        what is copied: the nodes of a source, with the keys of their chunks
    planning     how each node is copied: its bytes as they are, or encoded anew
    stored_bytes  copying values as they are, many at once
    regions      copying items, a region at a time
    journal      what tells a copy that was cut off, so that it can be gone on with
    budget       how much is under way at once
"""

from zarrpipe.jobs.copying import CopyReport, copy, copy_async

__all__ = ["CopyReport", "copy", "copy_async"]
