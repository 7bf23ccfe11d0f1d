"""Arrays of format 2 behave as NumPy's, whatever their order, byte order, chunks and codecs."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import zarrpipe

DTYPES = ["|b1", "|u1", "<i2", ">i2", "<f4", ">f8", ">c8"]
COMPRESSORS = [None, {"id": "zstd", "level": 1}, {"id": "gzip", "level": 1}, {"id": "blosc", "cname": "lz4"}]


@st.composite
def layouts(draw: st.DrawFn, *, ndim: int | None = None) -> dict[str, Any]:
    """Draw what an array of format 2 is created with."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 9), min_size=ndim or 0, max_size=3 if ndim is None else ndim).map(tuple))
    filters = [{"id": "shuffle", "elementsize": np.dtype(dtype).itemsize}] if draw(st.booleans()) else None
    if dtype in ("<i2", ">i2") and draw(st.booleans()):
        filters = [{"id": "delta", "dtype": dtype}, *(filters or [])]
    return {
        "shape": shape,
        "dtype": dtype,
        "chunks": tuple(draw(st.integers(1, 5)) for _ in shape),
        "order": draw(st.sampled_from("CF")),
        "compressors": draw(st.sampled_from(COMPRESSORS)),
        "filters": filters,
        "fill_value": draw(st.sampled_from([None, 0, 1])),
        "chunk_key_encoding": ("v2", draw(st.sampled_from("./"))),
        "zarr_format": 2,
    }


def selections(draw: st.DrawFn | Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw an integer or a slice for each axis."""
    parts: list[Any] = []
    for length in shape:
        part = st.slices(length).filter(lambda part: (part.step or 1) > 0)
        parts.append(draw(st.integers(0, length - 1) | part if length else part))
    return tuple(parts)


@given(st.data())
def test_as_numpy(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(store, **layout)
    model = np.full(layout["shape"], layout["fill_value"] or 0, dtype=np.dtype(layout["dtype"]).newbyteorder("="))
    for step in range(3):
        selection = selections(data.draw, model.shape)
        value = (np.arange(model[selection].size) + step).reshape(model[selection].shape).astype(model.dtype)
        model[selection] = value
        array[selection] = value
        np.testing.assert_array_equal(array[...], model)
    reopened = zarrpipe.open_array(store, mode="r")
    assert reopened.metadata == array.metadata
    selection = selections(data.draw, model.shape)
    np.testing.assert_array_equal(reopened[selection], model[selection])


class Life(RuleBasedStateMachine):
    """An array that is written, grown, cut and described, beside a model of it; each step opens it anew."""

    @initialize(data=st.data())
    def create(self, data: st.DataObject) -> None:
        layout = data.draw(layouts(ndim=2))
        self.store: dict[str, Any] = {}
        zarrpipe.create_array(self.store, name="g/a", **layout)
        self.fill = layout["fill_value"] or 0
        self.model = np.full(layout["shape"], self.fill, dtype=np.dtype(layout["dtype"]).newbyteorder("="))
        self.attributes: dict[str, Any] = {}

    @property
    def array(self) -> zarrpipe.Array:
        return zarrpipe.open_array(self.store, path="g/a", mode="r+")

    @rule(data=st.data(), value=st.integers(0, 5))
    def write(self, data: st.DataObject, value: int) -> None:
        selection = selections(data.draw, self.model.shape)
        self.model[selection] = value
        self.array[selection] = np.asarray(value).astype(self.model.dtype)

    @rule(shape=st.tuples(st.integers(0, 9), st.integers(0, 9)))
    def resize(self, shape: tuple[int, int]) -> None:
        self.array.resize(shape)
        resized = np.full(shape, self.fill, dtype=self.model.dtype)
        kept = tuple(slice(min(pair)) for pair in zip(shape, self.model.shape, strict=True))
        resized[kept] = self.model[kept]
        self.model = resized

    @rule(length=st.integers(0, 4), axis=st.integers(0, 1))
    def append(self, length: int, axis: int) -> None:
        shape = tuple(length if at == axis else n for at, n in enumerate(self.model.shape))
        items = np.ones(shape, self.model.dtype)
        assert self.array.append(items, axis) == np.concatenate([self.model, items], axis).shape
        self.model = np.concatenate([self.model, items], axis)

    @rule(name=st.sampled_from("ab"), value=st.none() | st.integers() | st.text())
    def describe(self, name: str, value: Any) -> None:
        self.array.attrs[name] = value
        self.attributes[name] = value

    @invariant()
    def is_as_the_model(self) -> None:
        if hasattr(self, "model"):
            np.testing.assert_array_equal(self.array[...], self.model)
            assert dict(self.array.attrs) == self.attributes


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
