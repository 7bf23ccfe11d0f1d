"""Stores around stores: to see what is asked of one, and to test with slow and faulty ones."""

from zarrpipe.stores.wrappers.fault import Fault, FaultStore, Injected
from zarrpipe.stores.wrappers.latency import LatencyStore
from zarrpipe.stores.wrappers.logging import LoggedRequest, LoggingStore
from zarrpipe.stores.wrappers.wrapper import Request, WrapperStore

__all__ = [
    "Fault",
    "FaultStore",
    "Injected",
    "LatencyStore",
    "LoggedRequest",
    "LoggingStore",
    "Request",
    "WrapperStore",
]
