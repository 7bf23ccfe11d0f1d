"""A node's attributes as a mapping that writes what is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol

__all__ = ["Attributes"]


class HasAttributes(Protocol):
    """An array or a group."""

    @property
    def metadata(self) -> Any: ...

    def _change_attributes(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Write the attributes that `change` makes of those in the store now."""


class Attributes(MutableMapping[str, Any]):
    """The attributes of an array or group: any JSON.

    Each change is one write of the node's document. A value that is changed in place is not written.

    Parameters
    ----------
    node : Array or Group
        Whose they are.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(2,), dtype="uint8")
    >>> array.attrs["units"] = "m"
    >>> zarrpipe.open_array(array.store).attrs["units"]
    'm'
    """

    def __init__(self, node: HasAttributes) -> None:
        self._node = node

    def __getitem__(self, key: str) -> Any:
        return self._node.metadata.attributes[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._node._change_attributes(lambda old: {**old, key: value})

    def __delitem__(self, key: str) -> None:
        def without(old: dict[str, Any]) -> dict[str, Any]:
            new = dict(old)
            del new[key]
            return new

        self._node._change_attributes(without)

    def __iter__(self) -> Iterator[str]:
        return iter(self._node.metadata.attributes)

    def __len__(self) -> int:
        return len(self._node.metadata.attributes)

    def __repr__(self) -> str:
        return repr(self.asdict())

    def asdict(self) -> dict[str, Any]:
        """Return the attributes as a dictionary of its own."""
        return dict(self._node.metadata.attributes)

    def put(self, d: Mapping[str, Any]) -> None:
        """Replace all attributes."""
        self._node._change_attributes(lambda _: dict(d))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several attributes, in one write; the arguments are those of `dict.update`."""
        new: dict[str, Any] = dict(*args, **kwargs)
        self._node._change_attributes(lambda old: {**old, **new})

    def clear(self) -> None:
        """Delete all attributes, in one write."""
        self.put({})
