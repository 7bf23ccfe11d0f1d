"""What a key may be."""

from __future__ import annotations

from zarrpipe.errors import StoreError

__all__ = ["check_key", "join_keys", "normalize_prefix"]


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
    if "\0" in key or "\\" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise StoreError("this cannot be a key", key=key)
    return key


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
