"""The tree of errors: builtins, places, pickles."""

from __future__ import annotations

import errno
import pickle
from typing import Any

import pytest

from zarrpipe import errors

BUILTINS = {
    errors.MetadataError: ValueError,
    errors.UnsupportedError: NotImplementedError,
    errors.SelectionError: IndexError,
    errors.CodecError: ValueError,
    errors.ChecksumError: errors.CodecError,
    errors.TruncatedError: errors.CodecError,
    errors.SizeError: errors.CodecError,
    errors.ShardIndexError: errors.CodecError,
    errors.LimitError: errors.CodecError,
    errors.StoreError: OSError,
    errors.NodeNotFoundError: FileNotFoundError,
    errors.NodeExistsError: FileExistsError,
    errors.MissingChunkError: KeyError,
    errors.ReadOnlyError: PermissionError,
    errors.ConflictError: RuntimeError,
    errors.ConfigError: ValueError,
}


@pytest.mark.parametrize(("cls", "builtin"), BUILTINS.items(), ids=lambda cls: cls.__name__)
def test_each_class_is_the_builtin_that_callers_catch(cls: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(cls, builtin)
    assert issubclass(cls, errors.ZarrpipeError)
    assert str(cls("what is wrong")) == "what is wrong"


def test_the_tree_is_complete() -> None:
    classes = {getattr(errors, name) for name in errors.__all__}
    assert classes == {*BUILTINS, errors.ZarrpipeError, errors.StaleMetadataWarning}
    assert issubclass(errors.StaleMetadataWarning, UserWarning)
    # It is drawn at the top of the module.
    for cls in classes:
        assert cls.__name__ in (errors.__doc__ or "")
        assert cls.__doc__


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.MetadataError("not a number", at="/shape/0"), "not a number (at /shape/0)"),
        (errors.UnsupportedError("no", at="/codecs/1", key="a/zarr.json"), "no (at /codecs/1, key a/zarr.json)"),
        (
            errors.ChecksumError("differs", array="a", key="a/c/0/1", chunk=(0, 1), codec="crc32c"),
            "differs (array a, key a/c/0/1, chunk (0, 1), codec crc32c)",
        ),
        (errors.CodecError("short", codec="gzip"), "short (codec gzip)"),
        (errors.MissingChunkError("not stored", key="c/0"), "not stored (key c/0)"),
        (errors.NodeNotFoundError(key="a"), "key a"),
        (errors.StoreError("disk full", key="c/0", errno=errno.ENOSPC), "disk full (key c/0)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_text_and_pickle(error: errors.ZarrpipeError, text: str) -> None:
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == text
    assert vars(again) == vars(error)
    assert getattr(again, "errno", None) == getattr(error, "errno", None)


def test_a_place_may_be_filled_in_later() -> None:
    error = errors.SizeError("too long")
    error.chunk = (3,)
    assert str(error) == "too long (chunk (3,))"
    assert pickle.loads(pickle.dumps(error)).chunk == (3,)


@pytest.mark.parametrize("cls", [errors.CodecError, errors.StoreError, errors.MetadataError])
def test_attributes_are_keyword_only(cls: Any) -> None:
    with pytest.raises(TypeError):
        cls("message", "key")
