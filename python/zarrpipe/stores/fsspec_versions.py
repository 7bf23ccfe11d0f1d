"""File systems of fsspec that tell versions: S3's and HTTP's, whose answers are looked at themselves.

fsspec's own functions drop what comes with the bytes: the ETag, the size, and whether a server gave the part that was
asked for, or all of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from zarrpipe.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest
from zarrpipe.errors import ConflictError
from zarrpipe.stores.ranges import slice_of

__all__ = ["Answer", "asker", "is_s3", "s3_put", "tells_versions"]


Version = str
"""An ETag. Not the time of the last change: of two values of one second it would be the same."""


class Answer(NamedTuple):
    """A value or a part of it, with what came with it."""

    data: bytes
    version: Version | None = None
    nbytes: int | None = None


Asker = Callable[[Any, str, ByteRequest | None, Version | None], Coroutine[Any, Any, Answer]]


def asker(fs: Any) -> Asker | None:
    """Return what asks a file system for a value with its version; None for those that tell none."""
    if _is_a(fs, "HTTPFileSystem"):
        return _http_get
    return _s3_get if is_s3(fs) else None


def tells_versions(fs: Any) -> bool:
    """Whether values of a file system come with versions."""
    return asker(fs) is not None


def is_s3(fs: Any) -> bool:
    """Whether a file system is s3fs's."""
    return _is_a(fs, "S3FileSystem")


def _is_a(fs: Any, name: str) -> bool:
    # By its class: one that caches has all the attributes of what it caches.
    return any(base.__name__ == name for base in type(fs).__mro__)


async def _http_get(fs: Any, url: str, byte_range: ByteRequest | None, wanted: Version | None) -> Answer:
    options = dict(fs.kwargs)
    headers = {**options.pop("headers", {}), **_headers(byte_range, wanted)}
    session = await fs.set_session()
    async with session.get(fs.encode_url(url), headers=headers, **options) as answer:
        fs._raise_not_found_for_status(answer, url)
        data: bytes = await answer.read()
    told = answer.headers
    # Of a value that was compressed for the way, the size says nothing of what came out.
    told_nbytes = None if "Content-Encoding" in told else told.get("Content-Length")
    return _checked(
        data, byte_range, told.get("ETag"), wanted, told.get("Content-Range"), told_nbytes, answer.status == 206
    )


async def _s3_get(fs: Any, path: str, byte_range: ByteRequest | None, wanted: Version | None) -> Answer:
    bucket, key, number = fs.split_path(path)
    words = {"Range": "Range", "If-Match": "IfMatch"}
    options = {words[name]: value for name, value in _headers(byte_range, wanted).items()}
    if number:
        options["VersionId"] = number
    told = await fs._call_s3("get_object", Bucket=bucket, Key=key, **options)
    async with told["Body"] as body:
        data: bytes = await body.read()
    place = told.get("ContentRange")
    return _checked(data, byte_range, told.get("ETag"), wanted, place, told.get("ContentLength"), place is not None)


async def s3_put(fs: Any, path: str, data: bytes, version: Version | None) -> None:
    """Store an object if it has a version; with None, if there is none."""
    bucket, key, _ = fs.split_path(path)
    condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
    await fs._call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
    fs.invalidate_cache(path)


def _headers(byte_range: ByteRequest | None, wanted: Version | None) -> Mapping[str, str]:
    headers = {} if byte_range is None else {"Range": _range_header(byte_range)}
    # A weak tag never matches a condition; that of the answer is compared all the same.
    if wanted is not None and not wanted.startswith("W/"):
        headers["If-Match"] = wanted
    return headers


def _range_header(byte_range: ByteRequest) -> str:
    if isinstance(byte_range, RangeByteRequest):
        return f"bytes={byte_range.start}-{byte_range.end - 1}"
    if isinstance(byte_range, OffsetByteRequest):
        return f"bytes={byte_range.offset}-"
    return f"bytes=-{byte_range.suffix}"


def _checked(
    data: bytes,
    byte_range: ByteRequest | None,
    version: Version | None,
    wanted: Version | None,
    content_range: str | None,
    content_nbytes: Any,
    is_part: bool,
) -> Answer:
    """Return what a server answered, cut to what it was asked for.

    Raises
    ------
    ConflictError
        It is of another version: some servers ignore conditions.
    """
    if wanted is not None and version != wanted:
        raise ConflictError(f"it was replaced in between: {version} is not {wanted}")
    if is_part:
        # "bytes 0-9/100", or "*" for a size that is not known.
        total = (content_range or "").rpartition("/")[2]
        return Answer(data, version, int(total) if total.isdecimal() else None)
    nbytes = int(content_nbytes) if str(content_nbytes).isdecimal() else None
    if byte_range is None or (nbytes is not None and len(data) != nbytes):
        return Answer(data, version, nbytes)
    return Answer(data[slice_of(byte_range, len(data))], version, len(data))
