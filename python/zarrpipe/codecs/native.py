"""What the built-in codecs share: fields and names in Python, and everything else asked of Rust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from zarrpipe._types import JSON, ChunkCoords
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import BaseCodec, CodecInput, CodecOutput
from zarrpipe.codecs.compiled import stage_of
from zarrpipe.codecs.items import bytes_to_items, chunk_form, form_of, items_to_bytes
from zarrpipe.codecs.stage import PythonStage
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.extension import check_fields, parse_extension
from zarrpipe.metadata.grid import sample_chunk_shapes
from zarrpipe.metadata.json import located, pointer
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from zarrpipe import _core
    from zarrpipe.metadata import ChunkGrid

__all__ = ["NativeCodec", "check_choice", "check_integer"]


def check_integer(value: object, name: str, least: int, most: int) -> None:
    """Raise MetadataError unless the member `name` is an integer in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise MetadataError(f"{name} is an integer from {least} to {most}, not {value!r}", at=pointer(name))


def check_choice(value: object, name: str, choices: tuple[str, ...]) -> None:
    """Raise MetadataError unless the member `name` is one of the words."""
    if value not in choices:
        raise MetadataError(f"{name} is one of {', '.join(choices)}, not {value!r}", at=pointer(name))


class NativeCodec(BaseCodec[CodecInput, CodecOutput]):
    """A codec that Rust implements. A subclass is a frozen dataclass of the codec's configuration.

    A field that is None is left out of the document; what the chunk determines is then filled in by
    `evolve_from_array_spec`.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names that documents may have; none is ever written."""

    # The document

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's document."""
        configuration = {item.name: getattr(self, item.name) for item in fields(cast(Any, self))}
        configuration = {name: value for name, value in configuration.items() if value is not None}
        # Those of numcodecs have one always: zarr-python does not read them without.
        if configuration or self.name.startswith("numcodecs."):
            return {"name": self.name, "configuration": configuration}
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the codec of a document; a string is short for a document without configuration.

        Raises
        ------
        MetadataError
            The document is malformed, of another codec, or has a configuration that the codec cannot have.
        """
        document = parse_extension(data, what="a codec", ignorable=True)
        if document["name"] not in (cls.name, *cls.aliases):
            raise MetadataError(f"{document['name']!r} is not the codec {cls.name!r}", at="/name")
        configuration = dict(cast("Mapping[str, JSON]", document.get("configuration", {})))
        known = [item for item in fields(cast(Any, cls)) if item.init]
        what = f"the codec {cls.name!r}"
        with located("/configuration"):
            check_fields(configuration, frozenset(item.name for item in known), what=what)
            for item in known:
                if item.default is MISSING and item.default_factory is MISSING and item.name not in configuration:
                    raise MetadataError(f"{what} needs {item.name!r}")
            return cls(**cls._defaults(configuration))

    @classmethod
    def _defaults(cls, configuration: dict[str, JSON]) -> dict[str, JSON]:
        """Return the configuration with what its absence in a document means, where that is not the field's default."""
        return configuration

    # What Rust answers

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:  # noqa: ARG002
        """Return the document, Python codecs inside it bound and appended to `stages`. For codecs that contain some."""
        return self.to_dict()

    def _document_for(self, dtype: Any) -> dict[str, JSON]:  # noqa: ARG002
        """Return the document for items of a data type. For codecs that Rust must tell more of some than they say."""
        return self.to_dict()

    def _stage(self, spec: ArraySpec) -> _core.Stage:
        stages: list[PythonStage] = []
        return stage_of(self._bound_document(spec, stages), stages, chunk_form(spec))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self._stage(chunk_spec).encoded_size(input_byte_length)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        behind = self._stage(chunk_spec).encoded_spec
        # Those of today permute axes at most. A codec that changes the data type overrides this.
        return chunk_spec if behind is None else replace(chunk_spec, shape=tuple(behind[0]))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # Rust fills in, and refuses what does not fit.
        return type(self).from_dict(json.loads(self._stage(array_spec).evolved()))

    def validate(self, *, shape: ChunkCoords, dtype: Any, chunk_grid: ChunkGrid) -> None:
        # What matters to a codec is the chunk.
        for chunk_shape in sample_chunk_shapes(chunk_grid, shape):
            if len(chunk_shape) != len(shape):
                raise MetadataError(f"a grid of {len(chunk_shape)} axes does not fit an array of {len(shape)}")
            stage_of(self._document_for(dtype), (), form_of(dtype, chunk_shape))

    # One chunk. The base makes `decode` and `encode` of them.

    def _decode_sync(self, chunk_data: CodecOutput, chunk_spec: ArraySpec) -> CodecInput:
        stage = self._stage(chunk_spec)
        if isinstance(chunk_data, NDBuffer) or hasattr(chunk_data, "as_ndarray_like"):
            items = cast(NDBuffer, chunk_data)
            data: Any = items_to_bytes(items, self.resolve_metadata(chunk_spec), self.name)
        else:
            data = cast(Buffer, chunk_data).as_numpy_array()
        decoded = stage.decode(data)
        if stage.kind == "bytes_bytes":
            return cast(CodecInput, chunk_spec.prototype.buffer.from_array_like(cast(Any, decoded)))
        return cast(CodecInput, bytes_to_items(decoded, chunk_spec))

    def _encode_sync(self, chunk_data: CodecInput, chunk_spec: ArraySpec) -> CodecOutput | None:
        stage = self._stage(chunk_spec)
        if stage.kind == "bytes_bytes":
            data: Any = cast(Buffer, chunk_data).as_numpy_array()
        else:
            data = items_to_bytes(cast(NDBuffer, chunk_data), chunk_spec, self.name)
        encoded = stage.encode(data)
        if encoded is None:
            return None
        if stage.kind == "array_array":
            return cast(CodecOutput, bytes_to_items(encoded, self.resolve_metadata(chunk_spec)))
        return cast(CodecOutput, chunk_spec.prototype.buffer.from_array_like(cast(Any, encoded)))
