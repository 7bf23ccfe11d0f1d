"""What is asked of a store, in one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from zarrpipe.abc.store import ByteRequest

__all__ = ["Kind", "Request", "kind_of"]

Kind: TypeAlias = Literal["get", "set", "delete", "head", "list"]

_KINDS: dict[str, Kind] = {
    "get": "get",
    "get_sync": "get",
    "get_versioned": "get",
    "set": "set",
    "set_sync": "set",
    "set_if_not_exists": "set",
    "set_if_version": "set",
    "delete": "delete",
    "delete_sync": "delete",
    "delete_dir": "delete",
    "clear": "delete",
    "exists": "head",
    "getsize": "head",
    "list": "list",
    "list_prefix": "list",
    "list_dir": "list",
    "is_empty": "list",
}


def kind_of(method: str) -> Kind:
    """Return what a method of a store does: read, write, delete, look, or list."""
    return _KINDS[method]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a store.

    Parameters
    ----------
    method : str
        The store's method.
    key : str
        The key, or the prefix of a listing.
    byte_range : ByteRequest, optional
        Which part of the value is asked for; None for all of it.
    value : Buffer, optional
        What is stored.

    Examples
    --------
    >>> Request("get_sync", "c/0").kind
    'get'
    """

    method: str
    key: str
    byte_range: ByteRequest | None = None
    value: Any = None

    @property
    def kind(self) -> Kind:
        """What the method does, whether it is awaited or not: ``get set delete head list``."""
        return kind_of(self.method)
