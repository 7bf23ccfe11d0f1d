"""N-dimensional arrays in Zarr, moved between NumPy and storage by codec pipelines in Rust.

Names are imported at first use: `import zarrpipe` alone loads nothing, not even NumPy.

Examples
--------
>>> import zarrpipe
>>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int16")
>>> array[1] = 5
>>> array[:2, 4].tolist()
[0, 5]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zarrpipe._core import __version__
    from zarrpipe.api import (
        array,
        array_async,
        create,
        create_array,
        create_array_async,
        create_async,
        create_group,
        create_group_async,
        empty,
        empty_async,
        empty_like,
        empty_like_async,
        full,
        full_async,
        full_like,
        full_like_async,
        load,
        load_async,
        ones,
        ones_async,
        ones_like,
        ones_like_async,
        open,  # noqa: A004 - zarr-python's name
        open_array,
        open_array_async,
        open_async,
        open_group,
        open_group_async,
        save,
        save_array,
        save_array_async,
        save_async,
        save_group,
        save_group_async,
        tree,
        zeros,
        zeros_async,
        zeros_like,
        zeros_like_async,
    )
    from zarrpipe.array import Array
    from zarrpipe.config import config
    from zarrpipe.group import Group
    from zarrpipe.pipeline import ZarrPipeline

