"""One of several writers of an array: `writers.py WHAT LOCKING PATH ...`.

- `update ... FIRST STOP ROUNDS THREADS`: writes its own items one by one, in each round other values.
- `append ... WHO ROUNDS`: appends its number, twice each time.
- `attributes ... WHO ROUNDS`: sets attributes of its own.
- `hold ...`: begins a write, and keeps its key's lock: says "holding".
- `hold-and-fork ...`: the same; then forks, and says the child's pid. The child lives on and does nothing.
- `interrupted ...`: says "writing" and writes one item; says "interrupted" at a Ctrl-C.
- `interrupted-async ...`: the same by a task that is cancelled after half a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import zarrpipe
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs import register_codec

may_hold, holding = threading.Event(), threading.Event()


@dataclass(frozen=True)
class Hold(BytesBytesCodec):
    """Passes bytes on; in a process that holds, it does not come back from encoding."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: Any) -> Hold:
        del data
        return cls()

    def to_dict(self) -> Any:
        return {"name": "test.hold"}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return input_byte_length

    def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return chunk_data

    def _encode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
        if may_hold.is_set():
            print("holding", flush=True)
            holding.set()
            time.sleep(600)
        return chunk_data


def update(array: Any, first: str, stop: str, rounds: str, threads: str) -> None:
    def work(own: range) -> None:
        for number in range(int(rounds)):
            for item in own:
                array[item] = 1000 * (number + 1) + item

    own = range(int(first), int(stop))
    workers = [threading.Thread(target=work, args=(own[n :: int(threads)],)) for n in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def append(array: Any, who: str, rounds: str) -> None:
    for _ in range(int(rounds)):
        array.append([int(who)] * 2)


def attributes(array: Any, who: str, rounds: str) -> None:
    for number in range(int(rounds)):
        array.attrs[f"{who}-{number}"] = number


def hold(array: Any) -> None:
    array[0] = 1


def hold_and_fork(array: Any) -> None:
    threading.Thread(target=hold, args=(array,), daemon=True).start()
    holding.wait()
    pid = os.fork()
    if pid == 0:
        # Its parent's output is not to be kept open.
        os.close(1)
        time.sleep(600)
        os._exit(0)
    print(pid, flush=True)
    time.sleep(600)


def interrupted(array: Any) -> None:
    print("writing", flush=True)
    try:
        array[1] = 1
    except KeyboardInterrupt:
        print("interrupted", flush=True)


def interrupted_async(array: Any) -> None:
    async def write() -> None:
        print("writing", flush=True)
        try:
            await asyncio.wait_for(array.write_async(slice(1, 2), 1), 0.5)
        except TimeoutError:
            print("interrupted", flush=True)

    asyncio.run(write())


def place(path: str) -> Any:
    """A folder, or with ``http://host:port/bucket`` a bucket of a server on loopback (``s3fs+http://``: by s3fs)."""
    if path.startswith("s3fs+"):
        from zarrpipe.stores import FsspecStore

        endpoint, _, bucket = path.removeprefix("s3fs+").rpartition("/")
        options = {"key": "test", "secret": "test", "endpoint_url": endpoint}
        return FsspecStore.from_url(f"s3://{bucket}", storage_options=options)
    if not path.startswith("http://"):
        return path
    import obstore.store

    from zarrpipe.stores.object import ObjectStore

    endpoint, _, bucket = path.rpartition("/")
    keys = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    store = obstore.store.S3Store(bucket, config={"endpoint": endpoint, **keys}, client_options={"allow_http": True})
    return ObjectStore(store)


def main() -> None:
    what, locking, path, *rest = sys.argv[1:]
    register_codec("test.hold", Hold)
    if what.startswith("hold"):
        may_hold.set()
    config: Any = {"locking": locking}
    array = zarrpipe.open_array(place(path), mode="r+", config=config)
    globals()[what.replace("-", "_")](array, *rest)


if __name__ == "__main__":
    main()
