"""What obstore's stores raise, in the words of this library. Told by names: obstore need not be imported for it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from zarrpipe.errors import ConflictError, NodeNotFoundError, StoreError, UnsupportedError, ZarrpipeError

__all__ = ["Refusal", "is_folder", "wrapped"]

_CONFLICTS = frozenset({"AlreadyExistsError", "PreconditionError", "NotModifiedError"})
# "Not found" as well, but what is missing is all of the store: no chunk of it is to be read as fill values.
_NO_STORE = re.compile(r"<Code>(NoSuchBucket|ContainerNotFound)</Code>|The specified bucket does not exist")
_FOLDER = re.compile(r" not found: is directory\b")
_RANGES_IGNORED = re.compile(r"Received non-partial response|Range request not supported")
# A server's words, and those of obstore's own stores in files and in memory.
_NOT_SATISFIABLE = re.compile(r"status code: 416|Requested range was invalid|Invalid range: ")


class Refusal(Exception):  # noqa: N818 - it is asked for in another way, not raised further
    """A store cannot answer a range in the way in which it was asked for.

    Parameters
    ----------
    what : {"ranges", "suffix", "range"}
        What it does not do: any ranges, those from the end, or this one, which may lie behind the end.
    """

    def __init__(self, what: Literal["ranges", "suffix", "range"]) -> None:
        super().__init__(what)
        self.what = what


@contextmanager
def wrapped(key: str, part: Any = None) -> Iterator[None]:
    """Turn obstore's errors into ours, which name the key. FileNotFoundError for a missing key comes through.

    Parameters
    ----------
    key : str
        The key or prefix that is asked for.
    part : tuple or dict, optional
        The range that is asked for; then `Refusal` is raised where it is the range that failed.
    """
    try:
        yield
    except ZarrpipeError:
        raise
    except FileNotFoundError as error:
        if _NO_STORE.search(str(error)):
            raise NodeNotFoundError(f"there is no such store: {_first_line(error)}", key=key) from error
        raise
    except Exception as error:
        name = type(error).__name__
        if name in _CONFLICTS:
            raise ConflictError(f"{key!r} was replaced in between: {_first_line(error)}") from error
        if part is not None:
            refused = _refused(error, part)
            if refused is not None:
                raise Refusal(refused) from error
        if name == "NotSupportedError" or isinstance(error, NotImplementedError):
            raise UnsupportedError(f"the object store does not do this: {_first_line(error)}", key=key) from error
        if name in ("PermissionDeniedError", "UnauthenticatedError"):
            # Nobody can say whether there is such a key, so it is not taken for missing.
            hint = "; S3 answers so for missing keys too, where the bucket may not be listed"
            raise StoreError(_first_line(error) + hint, key=key, errno=errno.EACCES) from error
        if type(error).__module__.startswith("obstore") or isinstance(error, OSError | ValueError):
            raise StoreError(_first_line(error), key=key, errno=getattr(error, "errno", None)) from error
        raise


def is_folder(error: FileNotFoundError) -> bool:
    """Whether it is because of a folder that a key was not found: obstore's LocalStore takes that for missing."""
    return _FOLDER.search(str(error)) is not None


def _refused(error: Exception, part: Any) -> Literal["ranges", "suffix", "range"] | None:
    text = str(error)
    if _RANGES_IGNORED.search(text):
        return "ranges"
    if type(error).__name__ == "NotSupportedError" and isinstance(part, dict) and "suffix" in part:
        return "suffix"
    return "range" if _NOT_SATISFIABLE.search(text) else None


def _first_line(error: BaseException) -> str:
    """Return what obstore says, without the picture of its insides."""
    return str(error).partition("\n\nDebug source:")[0].strip() or type(error).__name__
