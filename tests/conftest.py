"""What all tests share: Hypothesis profiles, and the rule that no test is skipped by accident."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from servers.http import FolderServer
from servers.misbehaving import MisbehavingServer
from servers.s3 import S3Server, s3_server

# Deadlines are off: on a busy machine of two cores they fail tests that are right.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None, print_blob=True)
settings.register_profile(
    "long", deadline=None, max_examples=5000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

ALLOWED = "allowed:"


class SkipPolicy:
    """Fails a session in which a test was skipped for a reason that does not begin with `allowed:`.

    A skip is how a test suite goes green without having run: a missing dependency, a typo in a condition. Those that
    are meant say so: `pytest.skip("allowed: no small file system can be mounted here")`.
    """

    def __init__(self) -> None:
        self.refused: list[str] = []

    def _look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        longrepr = report.longrepr
        reason = longrepr[2] if isinstance(longrepr, tuple | list) else str(longrepr)
        if not reason.removeprefix("Skipped: ").startswith(ALLOWED):
            self.refused.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.refused:
            terminalreporter.section(f"skipped, and not '{ALLOWED} ...'", red=True)
            for line in self.refused:
                terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    # Workers of pytest-xdist only report; their controller judges.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipPolicy(), "zarrpipe-skip-policy")


# Servers on loopback. One of each a session, started when a test asks for it; each test finds it empty.


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server, where `s3.bucket()` makes a new bucket."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def _folder_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FolderServer]:
    server = FolderServer(tmp_path_factory.mktemp("http"))
    yield server
    server.close()


@pytest.fixture
def http_server(_folder_server: FolderServer) -> Iterator[FolderServer]:
    """An HTTP server with ranges, for the files below its `root`; its `requests` are written down."""
    yield _folder_server
    _folder_server.empty()


@pytest.fixture(scope="session")
def _misbehaving_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MisbehavingServer]:
    server = MisbehavingServer(tmp_path_factory.mktemp("misbehaving"))
    yield server
    server.close()


@pytest.fixture
def misbehaving(_misbehaving_server: MisbehavingServer) -> Iterator[MisbehavingServer]:
    """An HTTP and S3 server that does wrong what its `faults` say."""
    yield _misbehaving_server
    _misbehaving_server.released.set()
    _misbehaving_server.empty()
