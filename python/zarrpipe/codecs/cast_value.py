"""`cast_value`: the values in another data type.

In JSON: ``{"name": "cast_value", "configuration": {"data_type": "int16", "rounding": "towards-zero",
"out_of_range": "clamp", "scalar_map": {"encode": [["NaN", -32768]], "decode": [[-32768, "NaN"]]}}}``.

Source: zarr-extensions, "cast_value" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/cast_value).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, cast

from zarrpipe._types import JSON
from zarrpipe.codecs.computing import AnyZDType, ComputingCodec, check_real, layout_json
from zarrpipe.codecs.native import check_choice
from zarrpipe.dtypes import get_data_type_from_json, parse_dtype
from zarrpipe.dtypes.zdtype import ZDType
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located, pointer

__all__ = ["CastValue"]

ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")

ScalarPairs: TypeAlias = tuple[tuple[JSON, JSON], ...]


@dataclass(frozen=True, kw_only=True)
class CastValue(ComputingCodec):
    """Another data type by value: what it does not have is rounded, brought into range, mapped or refused.

    Parameters
    ----------
    data_type : str, dict, ZDType or numpy.dtype
        The data type of what is stored: an integer or a float.
    rounding : {"nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away"}
        What is taken where a value lies between two.
    out_of_range : {"clamp", "wrap"}, optional
        What becomes of a value beyond the range: the outermost one, or infinity where there is one; or, of integers,
        the one with the same low bits. None to refuse it.
    scalar_map : dict, optional
        ``"encode"`` and ``"decode"``: pairs of a scalar and what it becomes, in the JSON form of fill values. Such
        scalars are neither rounded nor refused.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have, or the fill value does not survive the cast and back.
    UnsupportedError
        The data type is not known.

    Examples
    --------
    >>> codec = CastValue(data_type="int16", scalar_map={"encode": [["NaN", -1]], "decode": [[-1, "NaN"]]})
    >>> codec.to_dict()["configuration"]["scalar_map"]
    {'encode': [['NaN', -1]], 'decode': [[-1, 'NaN']]}
    """

    data_type: Any
    rounding: Literal["nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away"] = (
        "nearest-even"
    )
    out_of_range: Literal["clamp", "wrap"] | None = None
    scalar_map: Mapping[str, Any] | None = None

    name: ClassVar[str] = "cast_value"

    def __post_init__(self) -> None:
        with located("/data_type"):
            dtype = parse_dtype(self.data_type)
            check_real(dtype, self.name)
            if not isinstance(self.data_type, str | Mapping):
                object.__setattr__(self, "data_type", dtype.to_json(3))
        check_choice(self.rounding, "rounding", ROUNDINGS)
        if self.out_of_range is not None:
            check_choice(self.out_of_range, "out_of_range", ("clamp", "wrap"))
        if self.scalar_map is not None:
            with located("/scalar_map"):
                object.__setattr__(self, "scalar_map", _parse_map(self.scalar_map))

    @classmethod
    def _defaults(cls, configuration: dict[str, JSON]) -> dict[str, JSON]:
        # Only users may name a data type otherwise than documents do.
        with located("/data_type"):
            get_data_type_from_json(configuration["data_type"], zarr_format=3)
        maps = configuration.get("scalar_map")
        for direction, pairs in maps.items() if isinstance(maps, Mapping) else ():
            if isinstance(pairs, Mapping):
                raise MetadataError(f"it is an array of pairs, not {pairs!r}", at=f"/scalar_map/{direction}")
        return configuration

    @property
    def dtype(self) -> AnyZDType:
        """The data type of what is stored."""
        return parse_dtype(self.data_type)

    def to_dict(self) -> dict[str, JSON]:
        configuration: dict[str, JSON] = {"data_type": self.data_type}
        if self.rounding != "nearest-even":
            configuration["rounding"] = self.rounding
        if self.out_of_range is not None:
            configuration["out_of_range"] = self.out_of_range
        if self.scalar_map is not None:
            configuration["scalar_map"] = {
                direction: [list(pair) for pair in pairs] for direction, pairs in self.scalar_map.items()
            }
        return {"name": self.name, "configuration": configuration}

    def _dtype_behind(self, dtype: AnyZDType) -> AnyZDType:  # noqa: ARG002
        return self.dtype

    def _resolved(self, dtype: AnyZDType) -> Mapping[str, JSON]:
        check_real(dtype, self.name)
        resolved: dict[str, JSON] = {"layout": layout_json(self.dtype.layout())}
        ways = {"encode": (dtype, self.dtype), "decode": (self.dtype, dtype)}
        for direction, pairs in (self.scalar_map or {}).items():
            source, target = ways[direction]
            items = []
            for index, (key, value) in enumerate(cast(ScalarPairs, pairs)):
                with located(f"/configuration/scalar_map/{direction}{pointer(index)}"):
                    items.append([_item(key, source, 0), _item(value, target, 1)])
            resolved[direction] = cast(JSON, items)
        return resolved


def _item(scalar: JSON, dtype: ZDType[Any, Any], position: int) -> str:
    # The specification's own example writes it so, though fill values may not be.
    form = "Infinity" if scalar == "+Infinity" else scalar
    with located(pointer(position)):
        return dtype.fill_bytes(dtype.from_json_scalar(form, zarr_format=3)).hex()


def _parse_map(given: object) -> dict[str, ScalarPairs]:
    if not isinstance(given, Mapping):
        raise MetadataError(f"it is an object, not {given!r}")
    parsed = {}
    for direction, pairs in given.items():
        if direction not in ("encode", "decode"):
            raise MetadataError(f"it has no member {direction!r}", at=pointer(direction))
        if pairs is not None:
            with located(f"/{direction}"):
                parsed[str(direction)] = _parse_pairs(pairs)
    return parsed


def _parse_pairs(given: object) -> ScalarPairs:
    # To users a mapping will do.
    pairs: Any = given.items() if isinstance(given, Mapping) else given
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise MetadataError(f"it is an array of pairs, not {given!r}")
    parsed = []
    for index, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise MetadataError(f"it is a pair, not {pair!r}", at=pointer(index))
        parsed.append((pair[0], pair[1]))
    return tuple(parsed)
