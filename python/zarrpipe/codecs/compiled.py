"""Compiled chains and stages, kept: compiling takes longer than encoding a small chunk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zarrpipe.codecs.items import ChunkForm
from zarrpipe.codecs.stage import PythonStage

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["chain_of", "stage_of"]

_MAX_ENTRIES = 512

# By all that Rust is told. A value keeps its stages, and these their codecs, so an id in a key stays that codec's.
_compiled: dict[tuple[object, ...], tuple[Any, Sequence[PythonStage]]] = {}


def _find(cls: Any, document: Any, stages: Sequence[PythonStage], form: ChunkForm) -> Any:
    text = json.dumps(document)
    key = (cls, text, form, tuple(stage.identity for stage in stages))
    found = _compiled.get(key)
    if found is None:
        found = (cls(text, list(stages), form.layout, form.shape, form.fill_value), tuple(stages))
        if len(_compiled) >= _MAX_ENTRIES:
            # Rare, and cheaper than to keep an order of use.
            _compiled.clear()
        _compiled[key] = found
    return found[0]


def chain_of(documents: Sequence[Any], stages: Sequence[PythonStage], form: ChunkForm) -> _core.Chain:
    """Compile a chain, or return it from before.

    Parameters
    ----------
    documents : sequence of dict
        The codecs' JSON, placeholders in place of Python codecs.
    stages : sequence of PythonStage
        What the placeholders stand for.
    form : ChunkForm
        What a chunk is.

    Raises
    ------
    MetadataError
        The codecs do not fit each other or the chunk.
    """
    from zarrpipe import _core

    chain: _core.Chain = _find(_core.Chain, list(documents), stages, form)
    return chain


def stage_of(document: Any, stages: Sequence[PythonStage], form: ChunkForm) -> _core.Stage:
    """Compile one built-in codec, or return it from before; the parameters are those of `chain_of`."""
    from zarrpipe import _core

    stage: _core.Stage = _find(_core.Stage, document, stages, form)
    return stage
