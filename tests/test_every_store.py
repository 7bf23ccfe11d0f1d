"""The property tests of arrays, over every kind of store: a few examples each, since what differs is the store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import test_array_properties
import test_product_properties
import test_selections_properties
from every_store import STORES, WITHOUT_DELETES, forced

SUITES = {
    "reads and writes": test_array_properties.test_reads_and_writes_are_those_of_numpy,
    "what is stored": test_array_properties.test_what_is_stored_follows_from_the_values,
    "orthogonal": test_selections_properties.test_orthogonal_selections,
    "coordinates": test_selections_properties.test_coordinates,
    "masks": test_selections_properties.test_masks,
    "blocks": test_selections_properties.test_blocks,
    "product": test_product_properties.test_as_numpy,
    "format 2": test_product_properties.test_format_2_as_numpy,
}
# They resize, or look at which keys there are.
NEED_DELETES = frozenset({"reads and writes", "what is stored"})


# zarr-python's zip files have a name twice where a value is replaced.
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("kind", "suite"),
    [(kind, suite) for kind in STORES for suite in SUITES if not (kind in WITHOUT_DELETES and suite in NEED_DELETES)],
)
@given(st.data())
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_every_store(kind: str, suite: str, data: st.DataObject) -> None:
    with forced(kind):
        test: Any = SUITES[suite]
        test.hypothesis.inner_test(data)
