"""What the README shows works as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import zarrpipe
from zarrpipe.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_ten_lines() -> None:
    [block] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(block.splitlines()) <= 10
    exec(compile(block, "README.md", "exec"), {})
    assert zarrpipe.open_array("data.zarr", mode="r").attrs["units"] == "K"


def test_command_line() -> None:
    np.save("mask.npy", np.ones((2000, 3000), bool))
    zarrpipe.open_group("project.zarr", mode="w").create_group("inner")
    commands = re.findall(r"^zarrpipe (.*)$", README, re.MULTILINE)
    commands = [command for command in commands if "stores N-dim" not in command]
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)) == 0, command
    assert np.load("copy.npy").all()
