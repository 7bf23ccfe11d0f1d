"""What a key may be."""

from __future__ import annotations

from collections.abc import Iterable

from zarrpipe.errors import StoreError

__all__ = ["check_key", "is_key", "join_keys", "names_below", "normalize_prefix"]


def check_key(key: str) -> str:
    """`key`, if it stays inside of its store.

    Raises
    ------
    TypeError
        It is not a string.
    StoreError
        It is empty, or has an empty part, "." or "..", a backslash or a null character.
    """
    if not isinstance(key, str):
        raise TypeError(f"a key is a string, not {type(key).__name__}")
    if not is_key(key):
        raise StoreError("this cannot be a key", key=key)
    return key


def is_key(text: str) -> bool:
    """Whether a string can be a key."""
    return not ("\0" in text or "\\" in text or any(part in ("", ".", "..") for part in text.split("/")))


def normalize_prefix(prefix: str) -> str:
    """Return a prefix or path without slashes at its ends; "" for all of the store.

    Raises
    ------
    StoreError
        It leads out of the store.
    """
    stripped = prefix.strip("/")
    return check_key(stripped) if stripped else ""


def join_keys(*parts: str) -> str:
    """Return the parts with one slash between them; empty ones are left out.

    Examples
    --------
    >>> join_keys("", "a", "c/0")
    'a/c/0'
    """
    return "/".join(part for part in parts if part)


def names_below(keys: Iterable[str], prefix: str) -> list[str]:
    """Return the names right below a prefix, of some keys.

    Examples
    --------
    >>> names_below(["a/zarr.json", "a/c/0", "a/c/1", "ab"], "a/")
    ['zarr.json', 'c']
    """
    above = prefix.rstrip("/")
    start = above + "/" if above else ""
    return list(dict.fromkeys(key[len(start) :].partition("/")[0] for key in keys if key.startswith(start)))
