"""Turn the API page of `zarr.abc.codec` into `zarr_abc_codec.json`: what the tests hold ours against.

Use: ``python parse_page.py PAGE > zarr_abc_codec.json``. The page is reStructuredText with a ``.. py:class::`` line for
each class and a ``.. py:method::`` line for each of its members.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

# What a signature line goes on with: options on the lines below it are part of `rest`.
DIRECTIVE = re.compile(r"^\.\. py:(class|method|attribute|property|data):: (\S.*)$")
# A signature ends where its return annotation does; the page puts the first sentence on the same line.
SENTENCE = re.compile(r"(?<=[\])a-zA-Z]) (?=[A-Z][a-z]+(?:s|d)? )")
MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")


def signature(text: str) -> tuple[str, str, str]:
    """Name, parameters and return annotation, without module names."""
    name, rest = text.split("(", 1)
    depth = 1
    for end, letter in enumerate(rest):  # noqa: B007
        depth += (letter in "([") - (letter in ")]")
        if depth == 0:
            break
    parameters, tail = rest[:end], rest[end + 1 :].removeprefix(" -> ")
    returns = SENTENCE.split(tail, maxsplit=1)[0].strip()
    tidy = [MODULES.sub("", part).replace("Ellipsis", "...") for part in (parameters, returns)]
    return name, tidy[0], tidy[1]


def parse(page: str) -> dict[str, Any]:
    """The classes and data of the page."""
    classes: dict[str, Any] = {}
    data: list[str] = []
    current: dict[str, Any] = {}
    member: dict[str, Any] = {}
    for line in page.splitlines():
        match = DIRECTIVE.match(line)
        if match is None:
            if line.startswith("    :") and (option := re.match(r"    :(\w+):", line)):
                member.setdefault("options", []).append(option[1])
            continue
        kind, text = match.groups()
        if kind == "class":
            name = text.split()[0]
            bases = re.findall(r":py:obj:`([\w.]+)`", text)
            current = classes[name] = {"bases": [base.rsplit(".", 1)[-1] for base in bases], "members": {}}
            member = {}
        elif kind == "data":
            data.append(text.split()[0])
        elif kind == "method":
            name, parameters, returns = signature(text)
            member = current["members"][name] = {"kind": kind, "parameters": parameters, "returns": returns}
        else:
            member = current["members"][text.split()[0]] = {"kind": kind}
    return {"classes": classes, "data": data}


if __name__ == "__main__":
    json.dump(parse(Path(sys.argv[1]).read_text()), sys.stdout, indent=1)
    sys.stdout.write("\n")
