"""An HTTP server for the files below a folder, which is a small S3 server too.

It knows ranges (also from the end), ETags, conditions on reads and writes, HEAD, and for S3 clients PUT, DELETE, the
listing of a bucket and the deletion of many objects. A bucket is a folder right below the root; signatures are not
looked at. What the server is asked is written down.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import socket
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape


class Request(NamedTuple):
    """What the server was asked."""

    method: str
    path: str
    range: str | None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet for head and body.
    wbufsize = 1 << 20
    server: FolderServer

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def file(self) -> Path:
        return self.server.root / self.key

    @property
    def key(self) -> str:
        path = unquote(urlsplit(self.path).path).strip("/")
        assert ".." not in path.split("/")
        return path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def parse_request(self) -> bool:
        ok = super().parse_request()
        if ok:
            self.wfile.flush()  # "100 Continue", if it was asked for
            self.body = self.read_body()
            self.server.note(Request(self.command, self.key, self.headers.get("Range")))
        return ok

    def read_body(self) -> bytes:
        """Return the body, whichever way it is sent: by its length, in chunks, in chunks of S3, or in both."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = read_chunks(self.rfile)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            body = read_chunks(io.BytesIO(body))
        return body

    # Answers

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{HTTPStatus(status).phrase}</Message></Error>".encode()
        self.answer(status, body, Content_Type="application/xml")

    def read(self) -> bytes | None:
        try:
            return self.file.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def condition_holds(self, data: bytes | None) -> bool:
        match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if match is not None and (data is None or etag(data) not in match):
            return False
        return not (none_match == "*" and data is not None)

    # Methods

    def do_GET(self) -> None:
        if "list-type" in self.query:
            self.list_bucket()
            return
        data = self.read()
        if data is None:
            bucket = self.server.root / self.key.partition("/")[0]
            # Only who signs asks for a bucket.
            known = bucket.exists() or "Authorization" not in self.headers
            self.refuse(404, "NoSuchKey" if known else "NoSuchBucket")
        elif not self.condition_holds(data):
            self.refuse(412, "PreconditionFailed")
        else:
            self.send_value(data)

    def send_value(self, data: bytes) -> None:
        headers = {
            "ETag": etag(data),
            "Last_Modified": formatdate(self.file.stat().st_mtime, usegmt=True),
            "Accept_Ranges": "bytes",
        }
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self.answer(200, data, **headers)
            return
        if asked[1]:
            start, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else len(data), len(data))
        else:
            start, stop = max(0, len(data) - int(asked[2])), len(data)
        if start >= stop:
            self.answer(416, b"", Content_Range=f"bytes */{len(data)}")
        else:
            self.answer(206, data[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{len(data)}", **headers)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        with self.server.lock:
            if not self.condition_holds(self.read()):
                self.refuse(412, "PreconditionFailed")
                return
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part = self.file.with_name(f".{threading.get_ident()}.part")
            part.write_bytes(self.body)
            part.replace(self.file)
        self.answer(200, ETag=etag(self.body))

    def do_DELETE(self) -> None:
        self.file.unlink(missing_ok=True)
        self.answer(204)

    def do_POST(self) -> None:
        if "delete" not in self.query:
            self.refuse(400, "InvalidRequest")
            return
        keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", self.body.decode())]
        for key in keys:
            (self.file / key).unlink(missing_ok=True)
        found = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{found}</DeleteResult>".encode(), Content_Type="application/xml")

    def list_bucket(self) -> None:
        prefix = self.query.get("prefix", [""])[0]
        delimiter = self.query.get("delimiter", [""])[0]
        files = sorted(path for path in self.file.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        contents, folders = [], []
        for path in files:
            key = path.relative_to(self.file).as_posix()
            if not key.startswith(prefix):
                continue
            head, found, _ = key.removeprefix(prefix).partition(delimiter or "\0")
            if found:
                folders.append(f"<CommonPrefixes><Prefix>{escape(prefix + head)}/</Prefix></CommonPrefixes>")
                continue
            data = path.read_bytes()
            contents.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            )
        body = "".join([*contents, *dict.fromkeys(folders)])
        count = len(contents) + len(set(folders))
        text = (
            f"<ListBucketResult><Name>{self.key}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{body}</ListBucketResult>"
        )
        self.answer(200, text.encode(), Content_Type="application/xml")


def read_chunks(stream: IO[bytes]) -> bytes:
    """Return what chunks hold: each its size in hexadecimal and perhaps a signature, a line end, bytes, a line end."""
    parts = []
    while size := int(stream.readline().partition(b";")[0].strip() or b"0", 16):
        parts.append(stream.read(size))
        stream.readline()
    # Trailers, such as a checksum, up to an empty line.
    while stream.readline().strip():
        pass
    return b"".join(parts)


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


class FolderServer(ThreadingHTTPServer):
    """The server.

    Parameters
    ----------
    root : Path
        The folder whose files are served.
    handler : type
        What answers.
    """

    # Its threads are waited for when it is closed.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, root: Path, handler: type[Handler] = Handler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.root = root
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="test-server")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, request: Request) -> None:
        with self.lock:
            self.requests.append(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that go away in the middle are what tests are about.
        pass

    def url_of(self, path: str) -> str:
        return f"{self.url}/{quote(path)}"

    def empty(self) -> None:
        """Forget all files and requests."""
        with self.lock:
            for entry in self.root.iterdir():
                shutil.rmtree(entry)
            self.requests.clear()

    def close(self) -> None:
        """End it: no thread and no connection is left."""
        self.shutdown()
        self._thread.join()
        with self.lock:
            open_connections = list(self._open)
        for connection in open_connections:
            # Wakes the thread that waits for the next request on it.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self.server_close()
