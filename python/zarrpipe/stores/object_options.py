"""From a URL and options to a store of obstore's: its own words, and the usual ones of fsspec's file systems."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from zarrpipe.config import config
from zarrpipe.errors import ConfigError, UnsupportedError

__all__ = ["make_obstore"]

# What obstore's stores share, beside the words of each.
_SHARED = ("client_options", "retry_config", "credential_provider")
# fsspec's words, and what they are called in obstore.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "s3": {
        "anon": "skip_signature",
        "key": "access_key_id",
        "secret": "secret_access_key",
        "token": "session_token",
        "endpoint_url": "endpoint",
        "region_name": "region",
        "requester_pays": "request_payer",
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
    },
    "gs": {"anon": "skip_signature", "token": "service_account", "endpoint_url": "base_url"},
    "az": {
        "anon": "skip_signature",
        "key": "account_key",
        "sas_token": "sas_key",
        "token": "bearer_token",
        "endpoint_url": "endpoint",
    },
    "http": {"endpoint_url": ""},
}
_FAMILIES: Mapping[str, str] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",
    "adl": "az",
    "abfs": "az",
    "abfss": "az",
    "http": "http",
    "https": "http",
}
# Obstore's words that are used most, for the message; it has more.
_OFTEN: Mapping[str, tuple[str, ...]] = {
    "s3": ("access_key_id", "secret_access_key", "session_token", "region", "endpoint", "skip_signature"),
    "gs": ("service_account", "service_account_key", "skip_signature", "base_url"),
    "az": ("account_name", "account_key", "sas_key", "bearer_token", "tenant_id", "client_id", "client_secret"),
    "http": (),
}


def make_obstore(url: str, options: Mapping[str, Any], stores: ModuleType) -> Any:
    """Return the store of obstore's that a URL and options mean.

    It does not retry, since `zarrpipe.stores.retries` does, and no request takes longer than `io_timeout_s`, unless the
    options say otherwise. Plain HTTP is allowed where the URL or the endpoint asks for it.

    Parameters
    ----------
    url : str
        See `ObjectStore.from_url`.
    options : mapping of str to Any
        In the words of obstore or fsspec.
    stores : module
        ``obstore.store``.

    Raises
    ------
    ConfigError
        A word is not known, or two of them mean the same.
    UnsupportedError
        obstore knows no such URLs.
    """
    scheme = urlsplit(url).scheme.lower()
    family = _FAMILIES.get(scheme)
    if family is None:
        raise UnsupportedError(f"obstore has no store for {scheme}://; it knows {', '.join(_FAMILIES)}")
    words = translated(options, family)
    client = {str(name): value for name, value in dict(words.pop("client_options", None) or {}).items()}
    places = (url, words.get("endpoint"), words.get("base_url"))
    if any(isinstance(place, str) and place.lower().startswith("http://") for place in places):
        client.setdefault("allow_http", True)
    if config.current.io_timeout_s:
        client.setdefault("timeout", timedelta(seconds=config.current.io_timeout_s))
    words.setdefault("retry_config", {"max_retries": 0})
    # HTTP is HTTP: obstore would take some hosts for S3 or Azure, and look for credentials.
    make: Callable[..., Any] = stores.HTTPStore.from_url if family == "http" else stores.from_url
    if scheme in ("gcs", "s3a"):
        url = family + url[len(scheme) :]
    try:
        return make(url, client_options=client, **words)
    except Exception as error:
        if type(error).__name__ != "UnknownConfigurationKeyError" and not isinstance(error, TypeError | ValueError):
            raise
        raise ConfigError(f"{_told(error)}; {_known(family)}") from error


def translated(options: Mapping[str, Any], family: str) -> dict[str, Any]:
    """Return options in obstore's words.

    Examples
    --------
    >>> translated({"anon": True, "client_kwargs": {"region_name": "eu-west-1"}}, "s3")
    {'skip_signature': True, 'region': 'eu-west-1'}
    """
    flat = dict(options)
    nested = flat.pop("client_kwargs", None) or {}
    if not isinstance(nested, Mapping):
        raise ConfigError(f"client_kwargs is a mapping, not {nested!r}")
    words: dict[str, Any] = {}
    for name, value in (*flat.items(), *nested.items()):
        word = _WORDS[family].get(name, name)
        if name == "headers" and family == "http":
            client = dict(flat.get("client_options") or {})
            words["client_options"] = {**client, "default_headers": dict(value)}
            continue
        if value is None or word == "":
            # As good as not said. An HTTP store's URL is its endpoint.
            continue
        if word in words and words[word] != value and word != "client_options":
            raise ConfigError(f"{word} is given twice, as {words[word]!r} and {value!r}")
        words.setdefault(word, value)
    if family == "gs" and words.get("service_account") == "anon":
        del words["service_account"]
        words["skip_signature"] = True
    return words


def _known(family: str) -> str:
    own = ", ".join([*_OFTEN[family], *_SHARED])
    return f"known are {own} and the rest of obstore's, and of fsspec's {', '.join(_fsspec_words(family))}"


def _fsspec_words(family: str) -> list[str]:
    names = [name for name, word in _WORDS[family].items() if word and not name.startswith("aws_")]
    return [*names, "headers" if family == "http" else "client_kwargs"]


def _told(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    found = re.search(r"unexpected keyword argument '?(\w+)'?", text)
    return f"there is no storage option {found[1]!r}" if found else text
