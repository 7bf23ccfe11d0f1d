"""The Rust extension: chains, the engine, and the calls that run on it.

The wire is the specification's JSON for codecs and plain tuples for the rest. Everything here is internal: users
meet it through `zarrpipe.codecs`, `zarrpipe.pipeline` and `zarrpipe.arrays`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias, final

import numpy as np
import numpy.typing as npt

__version__: Final[str]

# kind (the v3 name of a real data type, "complex:" and the name of its components, "opaque", or "string" or "bytes" for
# items of variable length), bytes an item, and the runs to byte-swap inside an item: (offset, component bytes, count);
# components of one byte are left out. Items of variable length are packed wherever items stand for bytes here: see
# `zarrpipe.codecs.items`.
Layout: TypeAlias = tuple[str, int, tuple[tuple[int, int, int], ...]]

# A byte range of a value: all of it, [start, stop), or (None, n) for the last n bytes.
Range: TypeAlias = tuple[int | None, int] | None

class PythonStage(Protocol):
    """What Rust asks of a Python codec, bound to the spec at its place: see `zarrpipe.codecs.stage`."""

    name: str
    kind: Literal["array_array", "array_bytes", "bytes_bytes"]
    is_sync: bool
    """Whether workers may call `encode` and `decode`; else the event loop awaits `encode_batch`, `decode_batch`."""
    encoded_spec: tuple[tuple[int, ...], Layout, bytes] | None
    """For array_array: shape, layout and fill value behind the codec."""
    partial: tuple[bool, bool]
    """Whether the codec decodes, and encodes, parts of a key's value by itself."""

    def to_json(self) -> str: ...
    def encoded_size(self, nbytes: int) -> int | None:
        """None where the size varies."""
    def encode(self, data: memoryview) -> Any | None:
        """Items (C order, native) or bytes -> a bytes-like; None deletes the chunk."""
    def decode(self, data: memoryview) -> Any | None: ...

class StoreAdapter(Protocol):
    """What Rust asks of a Python store that answers at once: see `zarrpipe.stores.adapter`."""

    def get(self, key: str, ranges: Sequence[Range]) -> Sequence[Any] | None:
        """A bytes-like for each range, or None where the key has no value."""
    def set(self, key: str, data: memoryview) -> None: ...
    def delete(self, key: str) -> None: ...

# One request of a running call to its event loop:
#   ("get", id, key, ranges: list[Range])                answered by a list of bytes-likes, or None (no such key)
#   ("set", id, key, data: bytes)                        answered by None
#   ("delete", id, key)                                  answered by None
#   ("decode" | "encode", id, stage, data: bytes-like)   answered by a bytes-like or None
#   ("decode_partial", id, stage, key, slices)           answered by the items of the slices, or None (no such key)
#   ("encode_partial", id, stage, key, slices, items)    answered by None
Request: TypeAlias = tuple[Any, ...]

@final
class Chain:
    """Codecs compiled against what a chunk is: data type, shape and fill value.

    `codecs` is the JSON list of a metadata document, in which
    `{"name": "zarrpipe:python", "configuration": {"stage": i}}` stands for the stage object `python[i]`, at any depth.
    """

    def __new__(
        cls, codecs: str, python: Sequence[PythonStage], layout: Layout, shape: Sequence[int], fill_value: bytes
    ) -> Chain: ...
    @property
    def is_fixed_size(self) -> bool: ...
    @property
    def supports_partial_decode(self) -> bool: ...
    @property
    def supports_partial_encode(self) -> bool: ...
    @property
    def needs_loop(self) -> bool:
        """Whether a stage must be awaited."""
    def evolved(self) -> str:
        """The JSON list with what the chunk determines filled in; Python stages as their placeholders."""
    def encoded_size(self, nbytes: int) -> int:
        """Raises NotImplementedError where the size varies."""
    def decode(self, data: Any) -> npt.NDArray[np.uint8]:
        """One encoded chunk (bytes-like) -> the bytes of its items in C order. For chains without `needs_loop`."""
    def encode(self, items: Any, keep_empty: bool = False) -> npt.NDArray[np.uint8] | None:
        """The bytes of a chunk's items in C order (bytes-like) -> encoded bytes; None where all is fill value."""
    def start_decode(self, batch: Sequence[Any | None]) -> Run:
        """For chains with `needs_loop`; the run's result is a list as `decode` gives, None for None."""
    def start_encode(self, batch: Sequence[Any | None], keep_empty: bool = False) -> Run: ...

@final
class Stage:
    """One built-in codec, compiled against the spec at its place in a chain."""

    def __new__(
        cls, codec: str, python: Sequence[PythonStage], layout: Layout, shape: Sequence[int], fill_value: bytes
    ) -> Stage: ...
    @property
    def kind(self) -> Literal["array_array", "array_bytes", "bytes_bytes"]: ...
    @property
    def is_fixed_size(self) -> bool: ...
    @property
    def encoded_spec(self) -> tuple[tuple[int, ...], Layout, bytes] | None:
        """Shape, layout and fill value behind an array-to-array codec."""
    def evolved(self) -> str: ...
    def encoded_size(self, nbytes: int) -> int:
        """Raises NotImplementedError where the size varies."""
    def decode(self, data: Any) -> npt.NDArray[np.uint8]: ...
    def encode(self, data: Any) -> npt.NDArray[np.uint8] | None: ...

@final
class Store:
    """Where an engine's keys lie."""

    @staticmethod
    def local(root: str, *, read_only: bool = False, fsync: Literal["none", "data", "full"] = "none") -> Store: ...
    @staticmethod
    def python(
        adapter: StoreAdapter | None,
        identity: str,
        *,
        read_only: bool = False,
        merge_gap: int = 65536,
        merge_nbytes: int = ...,
        whole_nbytes: int = ...,
        index_nbytes: int = ...,
    ) -> Store:
        """With an adapter workers call it; with None every request goes to the event loop: ranges with at most
        `merge_gap` bytes between them in one, of up to `merge_nbytes`; values that are wanted whole in one up to
        `whole_nbytes`; and `index_nbytes` of shards' indexes are kept, where the store tells versions."""
    def try_lock(self, path: str, key: str) -> Lock | None:
        """Takes the lock between processes of a key of the node at `path`; None where another writer has it.
        ConfigError where the store is none of local files."""
    @property
    def needs_loop(self) -> bool: ...

@final
class Lock:
    """A lock between processes, held until it is released, and no longer than the process lives."""

    def release(self) -> None: ...

# "any" is what brackets after an array mean.
SelectionKind: TypeAlias = Literal["any", "basic", "orthogonal", "vectorized", "coordinate", "mask", "block"]

@final
class Selection:
    """A selection that `Engine.select` has parsed, for engines of arrays of that shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
    @property
    def dtype(self) -> np.dtype[Any]:
        """The result's: the engine's, or what the fields make."""
    @property
    def points(self) -> bool:
        """Whether it is of single items, in the shape of the coordinates."""

@final
class Assignment:
    """A value for a selection, checked: a write that has not begun."""

    @property
    def array_shape(self) -> tuple[int, ...]:
        """The shape of the array that it is for."""
    @property
    def nbytes(self) -> int:
        """About how much memory it holds, its value included."""

@final
class Engine:
    """Reads and writes one array: a chain for each shape of chunk, a grid, a store and a key for each chunk.

    An axis of the grid is one length, or runs of (length, count). With runs `chain` is a function that compiles the
    chain for a shape; it is called, and its answers kept, for the shapes that are touched.
    """

    def __new__(
        cls,
        chain: Chain | Callable[[tuple[int, ...]], Chain],
        shape: Sequence[int],
        chunk_shape: Sequence[int | Sequence[tuple[int, int]]],
        store: Store,
        path: str,
        key_encoding: tuple[Literal["default", "v2", "n5"], Literal["/", "."]],
        dtype: np.dtype[Any],
        *,
        write_empty_chunks: bool = False,
        read_missing_chunks: bool = True,
        order: Literal["C", "F"] = "C",
        locking: Literal["none", "file", "conditional"] = "none",
    ) -> Engine:
        """Writes are a ConfigError where the store does not have that `locking`."""
    @property
    def needs_loop(self) -> bool:
        """Whether calls need an event loop: then only `start_read` and `start_write` may be used."""
    def key(self, coords: Sequence[int]) -> str: ...
    def select(
        self,
        selection: Any,
        kind: SelectionKind = "any",
        fields: str | Sequence[str] | None = None,
        *,
        writing: bool = False,
    ) -> Selection:
        """Parses a selection, in which strings name fields if `fields` does not. SelectionError where it is none of
        its kind, or out of bounds; to write, where it names several fields."""
    def read(self, selection: Any, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """A selection, parsed or as between brackets -> an array (0-d where every axis is an integer)."""
    def write(self, selection: Any, value: npt.NDArray[Any]) -> None:
        """`value` has the selection's dtype (any strides), and its shape or shape ()."""
    def start_read(self, selection: Any, out: npt.NDArray[Any] | None = None) -> Run: ...
    def start_write(self, selection: Any, value: npt.NDArray[Any]) -> Run: ...
    def assign(self, selection: Any, value: npt.NDArray[Any]) -> Assignment:
        """Check a write without beginning it; it will read the value's memory, which must stay as it is."""
    def write_all(self, assignments: Sequence[Assignment]) -> None:
        """Write assignments of this engine, or of one for the same array and shape, as if one after the other: each
        chunk is read and put once."""
    def start_write_all(self, assignments: Sequence[Assignment]) -> Run: ...
    def start_put(self, coords: Sequence[int], data: Any | None) -> Run:
        """Store a chunk that is encoded already (bytes-like), or delete it, in turn with other writers of its key."""

@final
class Run:
    """A call in progress, whose requests an event loop answers: see `zarrpipe.driver`."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin on the workers. `wake` is called, from any thread, when `take` has something or the call ended."""
    def take(self, limit: int = 64) -> list[Request]: ...
    def answer(self, id: int, result: Any) -> None: ...
    def fail(self, id: int, error: BaseException) -> None: ...
    def cancel(self) -> None: ...
    @property
    def conditional(self) -> bool:
        """Whether the store must put on condition that the value is the one that was read, or raise ConflictError."""
    @property
    def finished(self) -> bool: ...
    def result(self) -> Any:
        """The array of a read, None of a write, the list of a batch; raises what went wrong."""

def batch_read(
    chains: Sequence[Chain],
    keys: Sequence[str],
    selections: Sequence[tuple[Any, Any]],
    store: Store,
    out: npt.NDArray[Any],
    drop_axes: Sequence[int],
) -> Run:
    """Chunks named one by one, as (chunk selection, out selection); the result is a list of bool: was it missing."""

def batch_write(
    chains: Sequence[Chain],
    keys: Sequence[str],
    selections: Sequence[tuple[Any, Any, bool]],
    store: Store,
    value: npt.NDArray[Any],
    drop_axes: Sequence[int],
    keep_empty: bool,
) -> Run:
    """As `batch_read`, with whether the chunk is complete; a value of shape () goes everywhere."""

def pack_items(array: npt.NDArray[Any], content: str) -> npt.NDArray[np.uint8]:
    """The items of an array of strings, or of objects, packed in C order: see `zarrpipe.codecs.items`."""

def unpack_items(data: Any, content: str, out: npt.NDArray[Any]) -> None:
    """Fills an array of strings or of objects with packed items, after checking all that they say."""

def configure(
    *, threads: int, io_requests: int, max_chunk_nbytes: int, verify_checksums: bool, conflict_retries: int
) -> None:
    """Takes over the settings of `zarrpipe.config`."""

def pcodec_announced(data: Any) -> tuple[str, int] | None:
    """The data type and the number of items that a stream of pcodec names; None where it has none."""
