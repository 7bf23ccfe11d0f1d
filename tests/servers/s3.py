"""An S3 server on loopback: moto's."""

from __future__ import annotations

import logging
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

_names = count()
# Whose request it is; nobody verifies it, but moto reads from it that it is for S3.
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    It honours conditions: If-Match and If-None-Match on PUT and GET are answered with 412, writes one at a time, and
    If-Match on a key that is gone with 404.

    Parameters
    ----------
    url : str
        Its endpoint.
    """

    url: str

    def options(self) -> dict[str, Any]:
        """Return what obstore needs to know; fsspec knows the first four by other names."""
        return {
            "endpoint": self.url,
            "access_key_id": "test",
            "secret_access_key": "test",
            "region": "us-east-1",
        }

    def fsspec_options(self) -> dict[str, Any]:
        """Return what s3fs needs to know."""
        return {
            "key": "test",
            "secret": "test",
            "endpoint_url": self.url,
            "client_kwargs": {"region_name": "us-east-1"},
        }

    def bucket(self) -> str:
        """Make a new bucket, and return its name."""
        name = f"bucket-{next(_names)}"
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT", headers={"Authorization": _SIGNED})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        return name


class _InTurns:
    """moto's application, with writes one at a time: it looks at a condition and stores in two steps."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._turn = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start_response)
        with self._turn:
            return self._app(environ, start_response)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server; it ends with the block."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = _InTurns(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, name="s3-server")
    thread.start()
    try:
        yield S3Server(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
