"""N-dimensional arrays in Zarr, moved between NumPy and storage by codec pipelines in Rust.

Names are imported at first use: `import zarrpipe` alone loads nothing, not even NumPy.

Examples
--------
>>> import zarrpipe
>>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int16")
>>> array[1] = 5
>>> array[:2, 4].tolist()
[0, 5]
"""

import sys

# As in `typing`, which takes longer to import than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from zarrpipe._core import __version__
    from zarrpipe.api import (
        array,
        array_async,
        consolidate_metadata,
        consolidate_metadata_async,
        create,
        create_array,
        create_array_async,
        create_async,
        create_group,
        create_group_async,
        create_hierarchy,
        create_hierarchy_async,
        empty,
        empty_async,
        empty_like,
        empty_like_async,
        from_array,
        from_array_async,
        full,
        full_async,
        full_like,
        full_like_async,
        load,
        load_async,
        ones,
        ones_async,
        ones_like,
        ones_like_async,
        open,  # noqa: A004 - zarr-python's name
        open_array,
        open_array_async,
        open_async,
        open_consolidated,
        open_consolidated_async,
        open_group,
        open_group_async,
        save,
        save_array,
        save_array_async,
        save_async,
        save_group,
        save_group_async,
        tree,
        zeros,
        zeros_async,
        zeros_like,
        zeros_like_async,
    )
    from zarrpipe.arrays import Array
    from zarrpipe.config import config
    from zarrpipe.group import Group
    from zarrpipe.jobs import copy, copy_async
else:
    ModuleType = type(sys)

__all__ = [
    "Array",
    "Group",
    "__version__",
    "array",
    "array_async",
    "config",
    "consolidate_metadata",
    "consolidate_metadata_async",
    "copy",
    "copy_async",
    "create",
    "create_array",
    "create_array_async",
    "create_async",
    "create_group",
    "create_group_async",
    "create_hierarchy",
    "create_hierarchy_async",
    "empty",
    "empty_async",
    "empty_like",
    "empty_like_async",
    "from_array",
    "from_array_async",
    "full",
    "full_async",
    "full_like",
    "full_like_async",
    "load",
    "load_async",
    "ones",
    "ones_async",
    "ones_like",
    "ones_like_async",
    "open",
    "open_array",
    "open_array_async",
    "open_async",
    "open_consolidated",
    "open_consolidated_async",
    "open_group",
    "open_group_async",
    "save",
    "save_array",
    "save_array_async",
    "save_async",
    "save_group",
    "save_group_async",
    "tree",
    "zeros",
    "zeros_async",
    "zeros_like",
    "zeros_like_async",
]

_ELSEWHERE = {
    "Array": "zarrpipe.arrays",
    "Group": "zarrpipe.group",
    "__version__": "zarrpipe._core",
    "config": "zarrpipe.config",
    "copy": "zarrpipe.jobs",
    "copy_async": "zarrpipe.jobs",
}
_SUBMODULES = frozenset(
    {"abc", "buffer", "codecs", "dtypes", "errors", "jobs", "metadata", "pipeline", "spec", "stores"}
)


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"zarrpipe.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "zarrpipe.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})


class _Package(ModuleType):
    """The package: its settings `config` come before the module of that name."""

    def __setattr__(self, name: str, value: "Any") -> None:
        # The import system binds each submodule here once it is loaded.
        if not (name == "config" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
