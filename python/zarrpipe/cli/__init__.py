"""The command line: `zarrpipe import | export | copy | info | tree`.

::

    commands   options and arguments (click); what is printed
    sources    what can be imported: .npy, .npz, raw binary, Zarr; each read slab by slab
    copying    how the arrays of a copy are stored
    targets    what can be exported: .npy, raw binary
    chains     codec chains as a person types them
    terminal   the progress bar, tables, units

Exit codes: 0 done, 1 the operation failed, 2 the command was not understood. An error is one line on stderr.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main(args: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    args : list of str, optional
        The command's words; by default those that the process was started with.
    """
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ModuleNotFoundError as error:
        print(
            f"zarrpipe: the command line needs {error.name}: install the extra with pip install 'zarrpipe[cli]'",
            file=sys.stderr,
        )
        return 1
    from zarrpipe.cli.commands import run

    return run(args)
