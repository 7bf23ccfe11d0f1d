"""The three events of progress."""

from __future__ import annotations

import pytest

from zarrpipe.progress import Progress, Silent, Tracked


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, int | None]] = []

    def on_start(self, total: int) -> None:
        self.events.append(("start", total))

    def on_advance(self, n: int) -> None:
        self.events.append(("advance", n))

    def on_end(self) -> None:
        self.events.append(("end", None))


def test_events_come_in_order() -> None:
    log = Log()
    with Tracked(log, 3) as work:
        work.advance(1)
        work.advance(2)
    assert log.events == [("start", 3), ("advance", 1), ("advance", 2), ("end", None)]


def test_work_that_fails_has_ended_too() -> None:
    log = Log()
    with pytest.raises(ZeroDivisionError), Tracked(log, 3):
        raise ZeroDivisionError
    assert log.events[-1] == ("end", None)


def test_any_object_with_the_methods_listens() -> None:
    assert isinstance(Log(), Progress)
    assert isinstance(Silent(), Progress)
    assert not isinstance(object(), Progress)
