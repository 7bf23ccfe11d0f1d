"""Where a command finds or puts an array or group: a path or a URL, with the options of its store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

from zarrpipe.stores import is_url

__all__ = ["LocalPlace", "Options", "Place", "PlaceType", "options_of", "storage_options"]

Place: TypeAlias = Path | str
"""A path, or a URL as it was written."""

Options: TypeAlias = dict[str, Any] | None
F = TypeVar("F", bound=Callable[..., Any])


class PlaceType(click.Path):
    """A path that is there, or a URL, of which only opening it can tell.

    Parameters
    ----------
    exists : bool
        Whether the path must be there.
    """

    def __init__(self, *, exists: bool = True) -> None:
        super().__init__(exists=exists, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a URL as it is, and anything else as a Path."""
        if isinstance(value, str) and is_url(value) and not value.startswith("file:"):
            return value
        return super().convert(value, param, ctx)


class LocalPlace(click.Path):
    """A path, for commands that write files."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path; a URL would become one of an odd name."""
        if isinstance(value, str) and is_url(value):
            self.fail(f"{value} is a URL, and this command writes local files", param, ctx)
        return super().convert(value, param, ctx)


def _options(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Options:
    if value is None:
        return None
    try:
        options = json.loads(value)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise click.BadParameter("a JSON object is expected, such as '{\"anon\": true}'")
    return options


def options_of(name: str, what: str) -> Callable[[F], F]:
    """Return the option that takes the options of a store; `what` says of which."""
    return click.option(
        name, metavar="JSON", callback=_options, help=f"For a URL: options of {what}, as a JSON object."
    )


storage_options = options_of("--storage-options", "its store")
