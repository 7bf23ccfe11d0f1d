"""Documents of data types and fill values that are anything at all: refused as what they are, and quickly."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.dtypes import BUILT_IN, HasObjectCodec, get_data_type_from_json
from zarrpipe.errors import MetadataError, UnsupportedError

NAMES = [*(cls._zarr_v3_name for cls in BUILT_IN), "r8", "r64", "<i4", "|b1", "<U3", "|S2", ">M8[s]", "|V4"]
WORDS = ["name", "configuration", "fields", "data_type", "length_bytes", "unit", "scale_factor", "a", "NaN", "NaT", "s"]
WORDS += ["0x00", "0x7fc0", "AAAA", "Infinity", "object_codec_id", "real", "imag"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 3, 4, 8, 255, 2**31 - 1, 2**31, 2**63]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(NAMES),
    st.sampled_from(WORDS),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


def extension(configuration: Any) -> Any:
    return st.fixed_dictionaries({"name": st.sampled_from(NAMES), "configuration": configuration})


FIELDS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["a", "b", ""]), "data_type": st.sampled_from(NAMES) | ANYTHING})
    | st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(NAMES) | ANYTHING).map(list)
    | ANYTHING,
    max_size=3,
)
NEARLY = extension(
    st.fixed_dictionaries({"length_bytes": LEAVES})
    | st.fixed_dictionaries({"unit": LEAVES, "scale_factor": LEAVES})
    | st.fixed_dictionaries({"fields": FIELDS})
    | ANYTHING
)


@pytest.mark.parametrize("zarr_format", [2, 3])
@given(document=st.sampled_from(NAMES) | NEARLY | FIELDS | ANYTHING, fill_value=ANYTHING)
def test_documents(zarr_format: Any, document: Any, fill_value: Any) -> None:
    try:
        data_type = get_data_type_from_json(document, zarr_format=zarr_format)
    except (MetadataError, UnsupportedError):
        return
    # What is accepted can be written, and says the same.
    assert get_data_type_from_json(data_type.to_json(zarr_format), zarr_format=zarr_format) == data_type
    if isinstance(data_type, HasObjectCodec):
        # Of no size of its own; fill values are text or bytes of any length.
        with suppress(MetadataError):
            data_type.from_json_scalar(fill_value, zarr_format=zarr_format)
        return
    assert data_type.to_native_dtype().itemsize == data_type.item_size
    if data_type.item_size > 1 << 20:
        return
    try:
        scalar = data_type.from_json_scalar(fill_value, zarr_format=zarr_format)
    except MetadataError:
        return
    raw = data_type.fill_bytes(scalar)
    assert len(raw) == data_type.item_size
    written = json.loads(json.dumps(data_type.to_json_scalar(scalar, zarr_format=zarr_format), allow_nan=False))
    if zarr_format == 3:
        assert data_type.fill_bytes(data_type.from_json_scalar(written, zarr_format=3)) == raw
