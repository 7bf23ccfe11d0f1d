"""The HTTP and S3 server of `servers.http`, which does wrong what it is told to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.http import FolderServer, Handler


@dataclass
class Fault:
    """What goes wrong, with which requests.

    Parameters
    ----------
    kind : str
        "reset", "hang", "cut short", "cut and told", "range ignored", a status such as "503", "lost" (done, but the
        answer is a reset), or "call": what `action` does, before a right answer.
    method : str
        Of the requests that it meets.
    key : str
        A part of their path, or of the body of a POST: S3 clients delete by that.
    times : int
        How many of them.
    after : int
        How many are answered well first.
    action : callable, optional
        For "call".
    """

    kind: str
    method: str = "GET"
    key: str = ""
    times: int = 1
    after: int = 0
    action: Callable[[], Any] = field(default=lambda: None)

    def takes(self, method: str, about: str) -> bool:
        if method != self.method or self.key not in about:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


class MisbehavingHandler(Handler):
    server: MisbehavingServer

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        about = f"{self.key} {self.body.decode()}" if self.command == "POST" else self.key
        fault = self.server.fault_for(self.command, about)
        if fault is None:
            return True
        return self.misbehave(fault)

    def misbehave(self, fault: Fault) -> bool:
        """Return whether the request is to be answered as usual."""
        if fault.kind == "call":
            fault.action()
            return True
        if fault.kind == "range ignored":
            del self.headers["Range"]
            return True
        self.close_connection = True
        if fault.kind == "reset":
            self.reset()
        elif fault.kind == "lost":
            self.wfile = _Nowhere()
            getattr(self, f"do_{self.command}")()
            self.reset()
        elif fault.kind == "hang":
            self.server.released.wait(30)
            self.reset()
        elif fault.kind in ("cut short", "cut and told"):
            self.cut(told=fault.kind == "cut and told")
        else:
            self.close_connection = False
            self.refuse(int(fault.kind), "InternalError" if fault.kind == "500" else "SlowDown")
            self.wfile.flush()
        return False

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def cut(self, *, told: bool) -> None:
        """Send half of the body, whose length in the head is that of the whole, or of the half ("told")."""
        whole = _Kept()
        out, self.wfile = self.wfile, whole
        getattr(self, f"do_{self.command}")()
        head, _, body = bytes(whole.data).partition(b"\r\n\r\n")
        half = body[: len(body) // 2]
        if told:
            head = head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(half))
        self.wfile = out
        self.wfile.write(head + b"\r\n\r\n" + half)
        self.wfile.flush()


class _Kept:
    closed = False

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...


_Nowhere = _Kept


class MisbehavingServer(FolderServer):
    """A server that follows a script of faults: each request meets the first of them that takes it.

    Parameters
    ----------
    root : Path
        The folder whose files are served.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, MisbehavingHandler)
        self.faults: list[Fault] = []
        # Set when nobody waits any more for an answer that is held back.
        self.released = threading.Event()

    def fault_for(self, method: str, about: str) -> Fault | None:
        with self.lock:
            return next((fault for fault in self.faults if fault.takes(method, about)), None)

    def empty(self) -> None:
        super().empty()
        self.faults.clear()
        self.released.clear()

    def close(self) -> None:
        self.released.set()
        super().close()
