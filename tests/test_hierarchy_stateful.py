"""A group and a dictionary, through the same changes: they stay alike, consolidated or not."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import zarrpipe
from zarrpipe.errors import NodeExistsError
from zarrpipe.metadata import GroupMetadata, GroupV2Metadata
from zarrpipe.stores import LocalStore, MemoryStore

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NUMBERS = st.integers(1, 5)

# A group is the dictionary of its attributes, an array (shape, attributes).
Model = dict[str, Any]


def parents(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


class Hierarchy(RuleBasedStateMachine):
    """The root group, in one of its forms."""

    def new_store(self) -> Any:
        return MemoryStore()

    @initialize(zarr_format=st.sampled_from([2, 3]), consolidated=st.booleans())
    def begin(self, zarr_format: Any, consolidated: bool) -> None:
        self.store = self.new_store()
        self.root = zarrpipe.create_group(self.store, zarr_format=zarr_format)
        self.model: Model = {}
        self.is_consolidated = False
        if consolidated:
            self.consolidate()

    # What may be done

    def is_array(self, path: str) -> bool:
        return isinstance(self.model.get(path), tuple)

    def may_be_created(self, path: str) -> bool:
        return path not in self.model and not any(self.is_array(parent) for parent in parents(path))

    def add(self, path: str, node: Any) -> None:
        for parent in parents(path):
            self.model.setdefault(parent, {})
        self.model[path] = node

    def drop(self, path: str) -> Model:
        gone = {key: node for key, node in self.model.items() if key == path or key.startswith(path + "/")}
        for key in gone:
            del self.model[key]
        return gone

    def existing(self, data: st.DataObject) -> str:
        """Return the path of a node; of none, where there are none."""
        return data.draw(st.sampled_from(sorted(self.model) or ["a"]))

    def through(self, path: str, data: st.DataObject) -> tuple[zarrpipe.Group, str]:
        """Return a group above, and the path below it."""
        above = [parent for parent in ["", *parents(path)] if not parent or isinstance(self.model.get(parent), dict)]
        parent = data.draw(st.sampled_from(above))
        group: Any = self.root[parent] if parent else self.root
        return group, path[len(parent) + bool(parent) :]

    # Changes

    @rule(path=PATHS, number=NUMBERS, data=st.data())
    def create_group(self, path: str, number: int, data: st.DataObject) -> None:
        group, below = self.through(path, data)
        if self.may_be_created(path):
            group.create_group(below, attributes={"n": number})
            self.add(path, {"n": number})
        else:
            try:
                group.create_group(below)
            except NodeExistsError:
                return
            raise AssertionError("a node was created where there is one")

    @rule(path=PATHS, number=NUMBERS, data=st.data(), overwrite=st.booleans())
    def create_array(self, path: str, number: int, data: st.DataObject, overwrite: bool) -> None:
        if not self.may_be_created(path) and not (overwrite and path in self.model):
            return
        group, below = self.through(path, data)
        group.create_array(below, shape=(number,), dtype="int16", chunks=2, overwrite=overwrite)[...] = number
        self.drop(path)
        self.add(path, (number, {}))

    @rule(path=PATHS, number=NUMBERS, data=st.data())
    def require(self, path: str, number: int, data: st.DataObject) -> None:
        group, below = self.through(path, data)
        if self.is_array(path):
            shape = self.model[path][0]
            assert group.require_array(below, shape=shape, dtype="int16").shape == (shape,)
        elif path in self.model:
            assert dict(group.require_group(below).attrs) == self.model[path]
        elif self.may_be_created(path):
            group.require_array(below, shape=number, dtype="int16", chunks=2)[...] = number
            self.add(path, (number, {}))

    @rule(path=PATHS, data=st.data())
    def delete(self, path: str, data: st.DataObject) -> None:
        group, below = self.through(path, data)
        if path in self.model:
            del group[below]
            self.drop(path)
        else:
            try:
                del group[below]
            except KeyError:
                return
            raise AssertionError("what is not there was deleted")

    @rule(dest=PATHS, data=st.data())
    def move(self, dest: str, data: st.DataObject) -> None:
        source = self.existing(data)
        inside = (dest + "/").startswith(source + "/")
        if source in self.model and self.may_be_created(dest) and not inside:
            self.root.move(source, dest)
            for key, node in self.drop(source).items():
                self.add(dest + key[len(source) :], node)

    @rule(number=NUMBERS, data=st.data())
    def change_attributes(self, number: int, data: st.DataObject) -> None:
        path = self.existing(data)
        if path not in self.model:
            return
        group, below = self.through(path, data)
        node: Any = group[below]
        node.attrs["n"] = number
        attributes = self.model[path][1] if self.is_array(path) else self.model[path]
        attributes["n"] = number

    @rule(number=NUMBERS, data=st.data())
    def resize(self, number: int, data: st.DataObject) -> None:
        path = self.existing(data)
        if not self.is_array(path):
            return
        array: Any = self.root[path]
        array.resize((number,))
        array[...] = number
        self.model[path] = (number, self.model[path][1])

    @rule(paths=st.sets(PATHS, max_size=3), number=NUMBERS)
    def create_hierarchy(self, paths: set[str], number: int) -> None:
        if all(self.may_be_created(path) for path in paths):
            made = GroupV2Metadata if self.root.zarr_format == 2 else GroupMetadata
            nodes: Any = {path: made(attributes={"n": number}) for path in paths}
            before = set(self.model)
            for path in sorted(paths):
                self.add(path, {"n": number})
            created = {path for path, _ in self.root.create_hierarchy(nodes)}
            assert created == set(self.model) - before

    # Other views

    @rule()
    def consolidate(self) -> None:
        self.root = zarrpipe.consolidate_metadata(self.store)
        self.is_consolidated = True

    @precondition(lambda self: self.is_consolidated)
    @rule(use=st.sampled_from([None, True, False]))
    def open_again(self, use: Any) -> None:
        self.root = zarrpipe.open_group(self.store, use_consolidated=use)
        assert self.root.is_consolidated == (use is not False)

    # What must be true

    @invariant()
    def alike(self) -> None:
        paths = sorted(self.model, key=lambda path: path.split("/"))
        members = self.root.members(None)
        assert [path for path, _ in members] == paths
        assert self.root.nmembers(None) == len(paths)
        assert list(self.root) == [path for path in paths if "/" not in path]
        for path, node in members:
            assert path in self.root
            if isinstance(node, zarrpipe.Array):
                number, attributes = self.model[path]
                assert (node.shape, dict(node.attrs)) == ((number,), attributes)
                assert node[...].tolist() == [number] * number
            else:
                assert dict(node.attrs) == self.model[path]

    @invariant()
    def consolidated_metadata_are_true(self) -> None:
        if self.is_consolidated:
            assert self.root.check_consolidated() == ()


class LocalHierarchy(Hierarchy):
    def new_store(self) -> Any:
        self.folder = Path(tempfile.mkdtemp())
        return LocalStore(self.folder)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


class AwaitedStore(MemoryStore):
    _supports_sync_io = False


class AwaitedHierarchy(Hierarchy):
    def new_store(self) -> Any:
        return AwaitedStore()


for machine, examples in ((Hierarchy, 60), (LocalHierarchy, 15), (AwaitedHierarchy, 8)):
    machine.TestCase.settings = settings(max_examples=examples, stateful_step_count=25, deadline=None)

TestMemory = Hierarchy.TestCase
TestLocal = LocalHierarchy.TestCase
TestAwaited = AwaitedHierarchy.TestCase
