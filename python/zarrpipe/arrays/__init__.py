"""Arrays: `Array`, which users hold, and the plans of new ones.

`Array` is put together from `facts` (what its metadata say), `chunks` (its chunks one by one) and `array` (reading,
writing, changing). `new_array` plans new ones, with `chunk_shapes` for their chunks and shards, and
`new_array_v2` for format 2.
"""

from zarrpipe.arrays.alike import array_like, layout_of
from zarrpipe.arrays.array import Array
from zarrpipe.arrays.chunk_shapes import ChunksLike, ShardsLike
from zarrpipe.arrays.new_array import (
    DEFAULT_FILL_VALUE,
    ArrayOptions,
    ChunkKeyEncodingLike,
    CodecLike,
    CodecsLike,
    CreateOptions,
    NewArray,
    check_zarr_format,
    plan_array,
)
from zarrpipe.arrays.slabs import aligned_slabs, slices

__all__ = [
    "DEFAULT_FILL_VALUE",
    "Array",
    "ArrayOptions",
    "ChunkKeyEncodingLike",
    "ChunksLike",
    "CodecLike",
    "CodecsLike",
    "CreateOptions",
    "NewArray",
    "ShardsLike",
    "aligned_slabs",
    "array_like",
    "check_zarr_format",
    "layout_of",
    "plan_array",
    "slices",
]
