"""Chains of codecs: from documents or objects to what Rust runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zarrpipe._types import JSON
from zarrpipe.abc.codec import BaseCodec
from zarrpipe.codecs.compiled import chain_of
from zarrpipe.codecs.foreign import NumcodecsBytesBytes, fit, from_numcodecs, is_numcodecs_object
from zarrpipe.codecs.items import chunk_form
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.codecs.registry import BUILT_IN, get_codec_class, numcodecs_document
from zarrpipe.codecs.stage import PythonStage, codec_kind
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.extension import parse_extension
from zarrpipe.metadata.json import located, pointer
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["bind_codecs", "codec_documents", "compile_chain", "evolve_codecs", "parse_codec", "parse_codecs"]

PLACEHOLDER = "zarrpipe:python"


def parse_codecs(codecs: Iterable[Any]) -> tuple[Any, ...]:
    """Return codec objects for documents, names and codec objects.

    Parameters
    ----------
    codecs : iterable of (dict, str or codec)
        In the order of encoding.

    Raises
    ------
    MetadataError
        One is no codec, or has a configuration that it cannot have; `at` says which.
    UnsupportedError
        A codec is not known.

    Examples
    --------
    >>> parse_codecs(["bytes", {"name": "gzip", "configuration": {"level": 1}}])
    (BytesCodec(endian=None), GzipCodec(level=1))
    """
    if isinstance(codecs, str | bytes | Mapping) or not isinstance(codecs, Iterable):
        raise MetadataError(f"codecs are an array, not {codecs!r}")
    parsed = []
    for index, codec in enumerate(codecs):
        with located(pointer(index)):
            parsed.append(parse_codec(codec))
    return _with_serializer(parsed)


def _with_serializer(codecs: list[Any]) -> tuple[Any, ...]:
    """Return a chain in which a numcodecs codec is the array-to-bytes codec, if there is no other.

    numcodecs does not say what its codecs take. Image codecs take arrays.
    """
    if not any(codec_kind(codec) == "array_bytes" for codec in codecs):
        for index, codec in enumerate(codecs):
            if isinstance(codec, NumcodecsBytesBytes):
                return (*codecs[:index], codec.as_serializer(), *codecs[index + 1 :])
    return tuple(codecs)


def parse_codec(codec: Any) -> Any:
    """Return the codec object for one document, name or codec object: `parse_codecs` for one."""
    if isinstance(codec, BaseCodec):
        return codec
    if isinstance(codec, str | Mapping):
        document = parse_extension(codec, what="a codec", ignorable=True)
        # A chain cannot do without a codec, so none is ever ignored.
        document.pop("must_understand", None)
        return get_codec_class(str(document["name"])).from_dict(document)
    if is_numcodecs_object(codec):
        return _own_for_numcodecs(codec) or from_numcodecs(codec)
    codec_kind(codec)  # raises for what is no codec
    return _own_for_zarr(codec) or codec


def _own_for_numcodecs(codec: Any) -> Any | None:
    """Return the built-in codec for numcodecs' object of the same codec; none for what is derived from one."""
    document = numcodecs_document(codec.get_config())
    if not type(codec).__module__.startswith("numcodecs.") or document["name"] not in BUILT_IN:
        return None
    return get_codec_class(str(document["name"])).from_dict(document)


def _own_for_zarr(codec: Any) -> Any | None:
    """Return the built-in codec for zarr-python's object of the same codec."""
    document = codec.to_dict()
    if document.get("name") not in BUILT_IN:
        return None
    # zarr-python's blosc codec shows values here that it would still infer.
    open_ = getattr(codec, "_tunable_attrs", ())
    if open_:
        configuration = {name: value for name, value in document["configuration"].items() if name not in open_}
        document = {**document, "configuration": configuration}
    return get_codec_class(document["name"]).from_dict(document)


def codec_documents(codecs: Iterable[Any]) -> list[dict[str, JSON]]:
    """Return the documents of codec objects, as an array's metadata has them."""
    return [codec.to_dict() for codec in codecs]


def evolve_codecs(codecs: Iterable[Any], spec: ArraySpec) -> tuple[Any, ...]:
    """Return the codecs with what follows from the chunk filled in, each for what reaches it.

    Parameters
    ----------
    codecs : iterable of codec
        In the order of encoding.
    spec : ArraySpec
        What a chunk is before the first of them.

    Raises
    ------
    MetadataError
        A codec does not fit what reaches it.
    """
    evolved = []
    for index, codec in enumerate(codecs):
        with located(pointer(index)):
            fitting, _, spec = fit(codec, spec)
            evolved.append(fitting)
    return tuple(evolved)


def bind_codecs(codecs: Sequence[Any], spec: ArraySpec, stages: list[PythonStage]) -> list[dict[str, JSON]]:
    """Return the documents of a chain as Rust takes them, each Python codec bound to its place.

    Parameters
    ----------
    codecs : sequence of codec
        In the order of encoding.
    spec : ArraySpec
        What a chunk is before the first of them.
    stages : list of PythonStage
        Appended to: what the placeholders among the documents stand for.
    """
    documents: list[dict[str, JSON]] = []
    last = max((index for index, codec in enumerate(codecs) if _is_told_spec(codec)), default=-1)
    for index, codec in enumerate(codecs):
        with located(pointer(index)):
            if isinstance(codec, NativeCodec):
                documents.append(codec._bound_document(spec, stages))
                if index < last:
                    # Rust follows the other codecs itself.
                    spec = codec.resolve_metadata(spec)
            else:
                fitting, given, behind = fit(codec, spec)
                documents.append({"name": PLACEHOLDER, "configuration": {"stage": len(stages)}})
                stages.append(PythonStage(fitting, given))
                spec = behind
    return documents


def _is_told_spec(codec: Any) -> bool:
    """Whether a codec is a Python one, may have some inside, or needs more resolved than its document says."""
    return not isinstance(codec, NativeCodec) or type(codec)._bound_document is not NativeCodec._bound_document


def compile_chain(codecs: Iterable[Any], array_spec: ArraySpec) -> _core.Chain:
    """Compile codecs for chunks of a spec, or return the chain from before.

    Parameters
    ----------
    codecs : iterable of (dict, str or codec)
        In the order of encoding.
    array_spec : ArraySpec
        What a chunk is, zarrpipe's or zarr-python's.

    Raises
    ------
    MetadataError
        The codecs do not fit each other or the chunk.
    UnsupportedError
        One is not implemented.
    LimitError
        The chunk is larger than the limits allow.
    """
    stages: list[PythonStage] = []
    documents = bind_codecs(parse_codecs(codecs), array_spec, stages)
    return chain_of(documents, stages, chunk_form(array_spec))
