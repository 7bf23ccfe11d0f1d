"""Settings: defaults, environment, replacement for a while, and what is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from zarrpipe.config import Config, Settings, SettingsChanges
from zarrpipe.errors import ConfigError


def test_defaults() -> None:
    settings = Config({}).current
    assert settings.threads >= 1
    assert settings.io_requests == 64
    assert settings.io_nbytes == 256_000_000
    assert (settings.io_retries, settings.io_retry_delay_s, settings.io_timeout_s) == (3, 0.1, 120)
    assert settings.fsync == "none"
    assert settings.verify_checksums is True
    assert settings.max_chunk_nbytes >= 2**20
    assert (settings.order, settings.write_empty_chunks, settings.read_missing_chunks) == ("C", False, True)


def test_settings_are_frozen_and_changes_name_them_all() -> None:
    with pytest.raises(AttributeError):
        Settings().threads = 3  # type: ignore[misc]
    assert SettingsChanges.__optional_keys__ == set(Settings.__dataclass_fields__)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("threads", "3", 3),
        ("io_nbytes", "512MiB", 512 * 2**20),
        ("io_nbytes", "1.5 GB", 1_500_000_000),
        ("io_merge_gap_nbytes", "0", 0),
        ("io_retries", "0", 0),
        ("io_timeout_s", "0", 0.0),
        ("io_retry_delay_s", "0.5", 0.5),
        ("fsync", "FULL", "full"),
        ("order", "f", "F"),
        ("verify_checksums", "off", False),
        ("write_empty_chunks", "1", True),
    ],
)
def test_environment(name: str, text: str, value: object) -> None:
    assert getattr(Config({f"ZARRPIPE_{name.upper()}": text}).current, name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("threads", "0"),
        ("threads", "-1"),
        ("threads", "2MB"),
        ("threads", "1.5"),
        ("io_nbytes", "much"),
        ("io_nbytes", "1 parsec"),
        ("io_retries", "-1"),
        ("io_timeout_s", "soon"),
        ("io_timeout_s", "-1"),
        ("io_timeout_s", "nan"),
        ("io_retry_delay_s", "inf"),
        ("fsync", "maybe"),
        ("verify_checksums", "perhaps"),
        ("order", "K"),
    ],
)
def test_bad_environment_names_the_variable(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"ZARRPIPE_{name.upper()}"):
        _ = Config({f"ZARRPIPE_{name.upper()}": text}).current


def test_set_lasts_for_the_block_and_nests() -> None:
    config = Config({})
    with config.set(io_requests=8) as settings:
        assert settings.io_requests == 8
        with config.set(threads=2):
            assert (config.current.io_requests, config.current.threads) == (8, 2)
        assert config.current.io_requests == 8
    assert config.current == config.default
    with pytest.raises(KeyError), config.set(io_requests=8):
        raise KeyError
    assert config.current.io_requests == 64


@pytest.mark.parametrize(
    "changes", [{"threads": 0}, {"threads": True}, {"fsync": "x"}, {"nthreads": 2}, {"order": 1}, {"io_timeout_s": "1"}]
)
def test_bad_changes_are_refused_at_once(changes: dict[str, Any]) -> None:
    config = Config({})
    with pytest.raises(ConfigError), config.set(**changes):  # type: ignore[typeddict-item]
        pass
    with pytest.raises(ConfigError):
        config.set_default(**changes)  # type: ignore[typeddict-item]
    assert config.current.io_requests == 64


def test_set_default_reaches_other_threads_and_set_does_not() -> None:
    config = Config({})
    seen: list[int] = []

    def look() -> None:
        seen.append(config.current.io_requests)

    with config.set(io_requests=8):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    config.set_default(io_requests=9)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen[1] == 9
    # Free-threaded builds of Python hand the context on to new threads.
    assert seen[0] in (64, 8)
    config.reset()
    assert config.current.io_requests == 64


async def test_tasks_do_not_see_each_others_settings() -> None:
    config = Config({})
    gate = asyncio.Event()

    async def one() -> int:
        with config.set(io_requests=8):
            gate.set()
            await asyncio.sleep(0)
            return config.current.io_requests

    async def other() -> int:
        await gate.wait()
        return config.current.io_requests

    assert await asyncio.gather(one(), other()) == [8, 64]
