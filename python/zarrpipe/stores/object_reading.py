"""How obstore's stores are asked for a value, or a part of one: by one request wherever that is possible."""

from __future__ import annotations

from typing import Any, NamedTuple

from zarrpipe.abc.store import ByteRequest
from zarrpipe.errors import ConflictError, StoreError
from zarrpipe.stores.object_errors import Refusal, wrapped
from zarrpipe.stores.ranges import slice_of

__all__ = ["Reader", "Version"]


class Version(NamedTuple):
    """What tells an object from others of its key."""

    e_tag: str | None
    version: str | None


class Reader:
    """Reads values from a store of obstore's.

    Parameters
    ----------
    store : obstore.store.ObjectStore
        The store.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        # Azure has no ranges from the end; known when it has said so.
        self._has_suffixes = True

    async def get(self, key: str, byte_range: ByteRequest | None, wanted: Version | None) -> tuple[Any, Any]:
        """Return bytes and obstore's description of the object.

        Parameters
        ----------
        key : str
            The key.
        byte_range : ByteRequest, optional
            Which part; None for all.
        wanted : Version, optional
            The version that is asked for; a server that does not know conditions may give another.

        Raises
        ------
        FileNotFoundError
            There is no such key.
        ConflictError
            The key has another version.
        StoreError
            It could not be read.
        """
        part = _as_range(byte_range)
        if part == "empty" or (isinstance(part, dict) and "suffix" in part and not self._has_suffixes):
            return await self._get_by_size(key, byte_range, wanted)
        try:
            return await self._request(key, part, wanted)
        except Refusal as refusal:
            if refusal.what == "suffix":
                self._has_suffixes = False
            if refusal.what == "ranges":
                data, meta = await self._request(key, None, wanted)
                return memoryview(data)[slice_of(byte_range, meta["size"])], meta
            return await self._get_by_size(key, byte_range, wanted)

    async def _get_by_size(self, key: str, byte_range: ByteRequest | None, wanted: Version | None) -> tuple[Any, Any]:
        """`_get` where the object's size must be known first."""
        with wrapped(key):
            meta = await self._store.head_async(key)
        part = slice_of(byte_range, meta["size"])
        start, stop = part.start, min(part.stop, meta["size"])
        if start >= stop:
            return b"", meta
        # Of this object: another one may be longer or shorter.
        here = wanted if wanted is not None else Version(meta["e_tag"], meta["version"])
        try:
            return await self._request(key, (start, stop), here)
        except Refusal as refusal:
            if refusal.what == "ranges":
                data, meta = await self._request(key, None, wanted)
                return memoryview(data)[slice_of(byte_range, meta["size"])], meta
            raise StoreError("the range could not be read", key=key) from refusal.__cause__
        except ConflictError as error:
            if wanted is not None:
                raise
            raise StoreError("the object was replaced while its end was read", key=key) from ConnectionError(str(error))

    async def _request(self, key: str, part: Any, wanted: Version | None) -> tuple[Any, Any]:
        options: dict[str, Any] = {} if part is None else {"range": part}
        # A weak tag never matches a condition; that of the answer is compared all the same.
        if wanted is not None and wanted.e_tag is not None and not wanted.e_tag.startswith("W/"):
            options["if_match"] = wanted.e_tag
        with wrapped(key, part):
            answer = await self._store.get_async(key, options=options or None)
            data = await answer.bytes_async()
        start, stop = answer.range
        if len(data) != stop - start:
            ended = ConnectionError(f"{len(data)} bytes came of {stop - start}")
            raise StoreError("the value's bytes ended early", key=key) from ended
        return data, answer.meta


def _as_range(byte_range: ByteRequest | None) -> Any:
    """Return a byte range in obstore's words; "empty" for one that no store can be asked for."""
    request: Any = byte_range
    if request is None:
        return None
    if hasattr(request, "end"):
        return (request.start, request.end) if request.end > request.start else "empty"
    if hasattr(request, "offset"):
        return {"offset": request.offset}
    if hasattr(request, "suffix"):
        return {"suffix": request.suffix} if request.suffix else "empty"
    raise TypeError(f"a byte range is a request of zarrpipe.abc.store, not {byte_range!r}")
