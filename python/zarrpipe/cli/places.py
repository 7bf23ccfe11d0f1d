"""Where a command finds or puts an array or group: a path or a URL, with the options of its store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import click

from zarrpipe.stores import is_url

__all__ = ["LocalPlace", "Options", "Place", "PlaceType", "storage_options"]

Place: TypeAlias = Path | str
"""A path, or a URL as it was written."""

Options: TypeAlias = dict[str, Any] | None


class PlaceType(click.Path):
    """A path that is there, or a URL, of which only opening it can tell."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

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


storage_options = click.option(
    "--storage-options", metavar="JSON", callback=_options, help="For a URL: options of its store, as a JSON object."
)
