"""What all tests share: Hypothesis profiles, and the rule that no test is skipped by accident."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

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
