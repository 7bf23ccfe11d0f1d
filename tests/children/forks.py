"""Uses an array before and after a fork: `forks.py os|busy|fork|forkserver|spawn PATH`. Says "done" if all is well."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np

import zarrpipe

# 4 MiB are more than the calling thread does by itself.
SIDE = 1024
CODECS = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "gzip", "configuration": {"level": 1}},
]


def values(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 4, (SIDE, SIDE), dtype=np.int32)


def create(path: str) -> Any:
    array = zarrpipe.create_array(path, shape=(2 * SIDE, SIDE), chunks=(256, 256), dtype="int32", codecs=CODECS)
    array[:SIDE] = values(1)
    assert (array[:SIDE] == values(1)).all()
    return array


def use(array: Any, rows: int) -> None:
    """Read what is there, write the half at `rows`, and read it back."""
    assert (array[:SIDE] == values(1)).all()
    array[rows : rows + SIDE] = values(2)
    assert (array[rows : rows + SIDE] == values(2)).all()


def wait(pid: int) -> int:
    """The child's exit status; it is killed after 20 s."""
    stop = time.monotonic() + 20
    while time.monotonic() < stop:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


def by_os_fork(array: Any, path: str) -> None:
    memory = zarrpipe.create_array({}, shape=(SIDE, SIDE), chunks=(256, 256), dtype="int32", codecs=CODECS)
    memory[...] = values(3)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            use(array, SIDE)
            use(zarrpipe.open_array(path, mode="r+"), SIDE)
            assert (memory[...] == values(3)).all()
            # A child of the child, whose pool is already its second.
            grandchild = os.fork()
            if grandchild == 0:
                use(array, SIDE)
                os._exit(0)
            code = wait(grandchild)
        finally:
            os._exit(code)
    # Meanwhile, and with threads that know nothing of the fork.
    assert (array[:SIDE] == values(1)).all()
    assert wait(pid) == 0
    use(array, SIDE)
    assert (memory[...] == values(3)).all()


def while_busy(array: Any) -> None:
    """Fork while threads of the parent are in the middle of reads and writes, and hold what they hold."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            array[SIDE:] = values(2)
            array[SIDE + 5, 5] = 1
            array[:SIDE]

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(8):
            time.sleep(0.01 * n)
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    assert (array[:SIDE] == values(1)).all()
                    array[SIDE + 5, 5] = 1
                    array[SIDE:] = values(2)
                    code = 0
                finally:
                    os._exit(code)
            assert wait(pid) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads)


def by_multiprocessing(array: Any, method: str) -> None:
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        # The array travels pickled.
        pool.starmap_async(use, [(array, SIDE)] * 3).get(timeout=40)
    use(array, SIDE)


if __name__ == "__main__":
    made = create(sys.argv[2])
    if sys.argv[1] == "os":
        by_os_fork(made, sys.argv[2])
    elif sys.argv[1] == "busy":
        while_busy(made)
    else:
        by_multiprocessing(made, sys.argv[1])
    sys.stdout.write("done\n")
