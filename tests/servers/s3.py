"""An S3 server on loopback: moto's."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any

_names = count()
# Whose request it is; nobody verifies it, but moto reads from it that it is for S3.
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server.

    It honours conditions: If-Match and If-None-Match on PUT and GET are answered with 412, one request at a time in
    effect, and If-Match on a key that is gone with 404.

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


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server; it ends with the block."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with redirect_stdout(StringIO()):
        server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()
