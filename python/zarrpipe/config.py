"""Settings: typed, frozen, from the environment, and replaced for a while by `config.set`.

Examples
--------
>>> config.current.io_requests
64
>>> with config.set(io_requests=8, threads=2):
...     config.current.io_requests
8
>>> config.current.io_requests
64
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args

from zarrpipe._types import MemoryOrder
from zarrpipe.errors import ConfigError

__all__ = ["Config", "Locking", "Settings", "SettingsChanges", "config"]

Fsync = Literal["none", "data", "full"]
Locking = Literal["none", "file", "conditional"]

_ENVIRONMENT_PREFIX = "ZARRPIPE_"
_CGROUP = Path("/sys/fs/cgroup")
# Where the host does not say how much memory it has.
_ASSUMED_MEMORY_NBYTES = 4 * 2**30


def _cgroup_numbers(name: str) -> list[int]:
    """Return the numbers in a file of this process's control group; none where there is no file or no limit."""
    with suppress(OSError, ValueError):
        return [int(word) for word in (_CGROUP / name).read_text().split()]
    return []


def _available_threads() -> int:
    """How many threads can run at once: by affinity and by the control group's quota."""
    try:
        threads = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        threads = os.cpu_count() or 1
    quota = _cgroup_numbers("cpu.max")
    if len(quota) == 2 and quota[1] > 0:
        threads = min(threads, quota[0] // quota[1])
    return max(threads, 1)


def _memory_nbytes() -> int:
    """Physical memory, or the control group's limit where that is less."""
    try:
        nbytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        nbytes = _ASSUMED_MEMORY_NBYTES
    return min([nbytes, *_cgroup_numbers("memory.max")])


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings. Each can be set by an environment variable: ``ZARRPIPE_IO_NBYTES=512MiB``.

    Parameters
    ----------
    threads : int
        Worker threads. By default what affinity and control group allow.
    io_requests : int
        Requests to a store that are under way at once.
    io_nbytes : int
        Bytes that requests under way may ask for together.
    io_merge_gap_nbytes : int
        Byte ranges of one key with at most this many bytes between them share a request.
    io_merge_nbytes : int
        The size of such a shared request, at most.
    index_nbytes : int
        Indexes of shards that an array keeps, at most, if its store tells versions (object stores): a shard that is
        read again is then read by one request, not two.
    io_retries : int
        How often a request to a store is made again when it fails in a way that may pass: a broken connection, no
        answer in time, a status such as 429, 500 or 503, a value that ends early. Local files are not asked again.
    io_retry_delay_s : float
        Seconds before the first of these tries; about twice as long before each further one, 20 at most.
    io_timeout_s : float
        Seconds that one try may take; 0 for any time.
    fsync : {"none", "data", "full"}
        What a write to a local file waits for: nothing, the file's bytes, or the file and its directory entry.
    max_chunk_nbytes : int
        The size of a decoded chunk, at most. By default half of the memory.
    verify_checksums : bool
        Whether a checksum that is stored is compared.
    order : {"C", "F"}
        The memory layout of arrays read.
    write_empty_chunks : bool
        Whether a chunk that holds nothing but the fill value is stored.
    read_missing_chunks : bool
        Whether a chunk that is not stored reads as the fill value, rather than being an error.
    locking : {"none", "file", "conditional"}
        What keeps writers in other processes from overwriting each other's parts of a chunk or shard: nothing, a lock
        file in the array's folder (local files), or writes on condition that the value is the one that was read (object
        stores).
    conflict_retries : int
        How often a write with ``locking="conditional"`` that another writer has overtaken is made anew.

    Raises
    ------
    ConfigError
        A setting has a value that it cannot have.
    """

    threads: int = field(default_factory=_available_threads)
    io_requests: int = 64
    io_nbytes: int = 256_000_000
    io_merge_gap_nbytes: int = 2**20
    io_merge_nbytes: int = 16 * 2**20
    index_nbytes: int = 32 * 2**20
    io_retries: int = 3
    io_retry_delay_s: float = 0.1
    io_timeout_s: float = 120.0
    fsync: Fsync = "none"
    max_chunk_nbytes: int = field(default_factory=lambda: _memory_nbytes() // 2)
    verify_checksums: bool = True
    order: MemoryOrder = "C"
    write_empty_chunks: bool = False
    read_missing_chunks: bool = True
    locking: Locking = "none"
    conflict_retries: int = 30

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


class SettingsChanges(TypedDict, total=False):
    """The settings that `Config.set` and `Config.set_default` take: see `Settings`."""

    threads: int
    io_requests: int
    io_nbytes: int
    io_merge_gap_nbytes: int
    io_merge_nbytes: int
    index_nbytes: int
    io_retries: int
    io_retry_delay_s: float
    io_timeout_s: float
    fsync: Fsync
    max_chunk_nbytes: int
    verify_checksums: bool
    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    locking: Locking
    conflict_retries: int


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "fsync": get_args(Fsync),
    "order": get_args(MemoryOrder),
    "locking": get_args(Locking),
}
_BOOLS = frozenset({"verify_checksums", "write_empty_chunks", "read_missing_chunks"})
_MAY_BE_ZERO = frozenset({"index_nbytes", "io_merge_gap_nbytes", "io_merge_nbytes", "io_retries", "conflict_retries"})


def _check(name: str, value: object) -> None:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ConfigError(f"{name} is one of {', '.join(_CHOICES[name])}, not {value!r}")
    elif name in _BOOLS:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} is true or false, not {value!r}")
    elif name.endswith("_s"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigError(f"{name} is a number of seconds, not {value!r}")
    else:
        least = 0 if name in _MAY_BE_ZERO else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} is an integer of at least {least}, not {value!r}")


_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _parse(name: str, text: str) -> object:
    """Return a setting from an environment variable's text."""
    word = text.strip().lower()
    if name in _CHOICES:
        # "order" is upper case, "fsync" lower.
        return next((choice for choice in _CHOICES[name] if choice.lower() == word), text)
    if name in _BOOLS:
        return _WORDS.get(word, text)
    if name.endswith("_s"):
        with suppress(ValueError):
            return float(word)
        return text
    match = _SIZE.fullmatch(word)
    if match is None or match[2] not in _UNITS or (match[2] and not name.endswith("_nbytes")):
        return text
    number = float(match[1]) * _UNITS[match[2]] if "." in match[1] else int(match[1]) * _UNITS[match[2]]
    return math.floor(number) if match[2] or "." not in match[1] else text


def _from_environment(environment: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {}
    for item in fields(Settings):
        variable = _ENVIRONMENT_PREFIX + item.name.upper()
        if variable in environment:
            value = _parse(item.name, environment[variable])
            try:
                _check(item.name, value)
            except ConfigError as error:
                raise ConfigError(f"{error.message} (environment variable {variable})") from None
            changes[item.name] = value
    return Settings(**changes)


class Config:
    """The settings in force.

    They are read from the environment at first use. `set` replaces some of them for the block that it opens, in the
    calling thread or asyncio task and the tasks that it starts; other threads keep theirs. `set_default` replaces them
    for the whole process.

    Parameters
    ----------
    environment : mapping of str to str, optional
        Instead of the process's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._default: Settings | None = None
        self._changes: ContextVar[Mapping[str, Any] | None] = ContextVar("zarrpipe_settings", default=None)

    @property
    def default(self) -> Settings:
        """The process's settings."""
        if self._default is None:
            self._default = _from_environment(self._environment)
        return self._default

    @property
    def current(self) -> Settings:
        """The settings in force here.

        Raises
        ------
        ConfigError
            The environment holds a value that a setting cannot have.
        """
        changes = self._changes.get()
        return replace(self.default, **changes) if changes else self.default

    @contextmanager
    def set(self, **changes: Unpack[SettingsChanges]) -> Iterator[Settings]:
        """Replace some settings inside a ``with`` block.

        Parameters
        ----------
        **changes
            See `Settings`.

        Yields
        ------
        Settings
            What is in force inside the block.

        Raises
        ------
        ConfigError
            There is no such setting, or it cannot have that value.
        """
        _check_all(changes)
        token = self._changes.set({**(self._changes.get() or {}), **changes})
        try:
            yield self.current
        finally:
            self._changes.reset(token)

    def set_default(self, **changes: Unpack[SettingsChanges]) -> Settings:
        """Replace some of the process's settings, for good.

        Returns
        -------
        Settings
            The process's settings now.

        Raises
        ------
        ConfigError
            There is no such setting, or it cannot have that value.
        """
        _check_all(changes)
        self._default = replace(self.default, **changes)
        return self._default

    def reset(self) -> None:
        """Read the process's settings from the environment anew, at next use."""
        self._default = None


def _check_all(changes: Mapping[str, object]) -> None:
    known = {item.name for item in fields(Settings)}
    for name, value in changes.items():
        if name not in known:
            raise ConfigError(f"there is no setting {name!r}; the settings are {', '.join(sorted(known))}")
        _check(name, value)


config = Config()
"""The settings in force: ``config.current.threads``, ``with config.set(threads=2): ...``."""
