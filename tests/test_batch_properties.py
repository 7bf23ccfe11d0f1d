"""Writes in a batch leave what the same writes leave one by one: the values, and the stored bytes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

import product
import zarrpipe
from test_product_properties import Case, drawn_case, drawn_case_of_format_2, indexer_of, seeds
from zarrpipe.stores import LocalStore


@dataclass
class Write:
    """A write that was drawn."""

    selection: product.Selection
    fields: str | None
    value: np.ndarray
    awaited: bool

    def to_model(self, model: np.ndarray) -> None:
        part = model if self.fields is None else model[self.fields]
        value = np.broadcast_to(self.value, self.selection.shape)
        part[self.selection.numpy] = (
            value[()] if value.ndim == 0 else value.reshape(np.shape(part[self.selection.numpy]))
        )

    def to_array(self, array: zarrpipe.Array) -> None:
        # A copy that is spoilt at once: a batch must not look at it later.
        value = self.value.copy()
        if self.awaited and self.fields is None:
            asyncio.run(indexer_of(array, self.selection.kind).write_async(self.selection.ours, value))
        else:
            setter = getattr(array, f"set_{self.selection.kind}_selection")
            setter(self.selection.ours, value, fields=self.fields)
        if value.dtype != object:
            value[...] = np.zeros((), value.dtype)


def drawn_write(draw: st.DrawFn | Any, case: Case) -> Write:
    selection = draw(product.selections(case.model, case.edges))
    names = case.model.dtype.names
    fields = draw(st.sampled_from([None, *names])) if names else None
    shape = () if draw(st.booleans()) else selection.shape
    value = case.items(shape, draw(seeds))
    if draw(st.integers(0, 3)) == 0:
        value = np.broadcast_to(case.fill.reshape((1,) * len(shape)), shape)
    return Write(selection, fields, value if fields is None else value[fields], draw(st.booleans()))


def stored(store: Any) -> dict[str, bytes]:
    async def values() -> dict[str, bytes]:
        return {key: (await store.get(key)).to_bytes() async for key in store.list()}

    return asyncio.run(values())


async def copy(source: Any, target: Any) -> None:
    async for key in source.list():
        await target.set(key, await source.get(key))


def check(draw: st.DrawFn | Any, case: Case, folder: str) -> None:
    store: Any = LocalStore(folder) if isinstance(case.array.store, LocalStore) else type(case.array.store)()
    asyncio.run(copy(case.array.store, store))
    single = zarrpipe.open_array(store, config=case.array.config)
    for _ in range(draw(st.integers(1, 2))):
        with case.array.batch(max_nbytes=draw(st.sampled_from([1 << 20, 200]))) as batch:
            for step in draw(st.lists(st.sampled_from(["write"] * 6 + ["read", "flush"]), max_size=7)):
                if step == "write":
                    write = drawn_write(draw, case)
                    note(f"{write.selection} {write.fields} {write.awaited}")
                    write.to_model(case.model)
                    write.to_array(case.array)
                    write.to_array(single)
                elif step == "read":
                    assert product.same(case.array[...], case.model)
                else:
                    batch.flush()
        assert product.same(zarrpipe.open_array(case.array.store)[...], case.model)
    assert product.same(single[...], case.model)
    assert stored(case.array.store) == stored(single.store)


@given(st.data())
@settings(max_examples=150)
def test_as_one_by_one(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        check(data.draw, drawn_case(data.draw, folder), other)


@given(st.data())
@settings(max_examples=80)
def test_as_one_by_one_in_format_2(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        check(data.draw, drawn_case_of_format_2(data.draw, folder), other)
