"""Each layer imports only from the layers below it (the table in docs/design, the contracts in pyproject.toml)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zarrpipe

ROOT = Path(__file__).parents[1]
PACKAGE = Path(zarrpipe.__file__).parent

BELOW_CORE = [PACKAGE / "errors.py", PACKAGE / "_types.py", *sorted((PACKAGE / "abc").rglob("*.py"))]


def test_import_contracts() -> None:
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    run = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", BELOW_CORE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_contract_does_not_import_the_extension(path: Path) -> None:
    # import-linter sees no compiled module, so this one edge is read from the source.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        assert not [name for name in names if name.startswith("zarrpipe._core")]


def test_import_is_light() -> None:
    """`import zarrpipe` loads no optional package, and creating an array does not either."""
    code = (
        "import sys, zarrpipe; zarrpipe.create_array({}, shape=(2,), dtype='u1'); "
        "print([n for n in ('zarr', 'numcodecs', 'dask', 'xarray', 'click', 'rich', 'fsspec') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
