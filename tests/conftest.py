"""What all tests share: hypothesis settings (the same examples on every run), logging as the test found it, a home."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# English, whoever runs the tests: many look for its sentences.
for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
    os.environ.pop(name, None)
os.environ["LANG"] = "C.UTF-8"

# too_slow judges the machine, not the test.
settings.register_profile(
    "ci",
    derandomize=True,
    print_blob=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


LONGEST_FILES = (
    "test_bad_networks",
    "test_soak",
    "test_wire_fuzz",
    "test_hardening_machine",
    "test_bad_input",
    "test_relay_clients",
    "test_programs_direct",
    "test_relay_rtm_over_socket",
    "test_setup_page",
    "test_report",
    "test_kill",
    "test_relay_exact",
    "test_whole_program",
    "test_language",
    "test_cli_watch",
)
"""Begun first, so that none of them is what the other processes wait for in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """A command called in a test's own process sets up logging there: the next test has none of it."""
    root, own = logging.getLogger(), logging.getLogger("traymon")
    handlers, level, raises = list(root.handlers), own.level, logging.raiseExceptions
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
    own.setLevel(level)
    logging.raiseExceptions = raises


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of the test's own, for it and for the processes that it starts, and no desktop."""
    for name in os.environ:
        if name.startswith(("XDG_", "SLACK_", "DBUS_", "DISPLAY", "WAYLAND_")):
            monkeypatch.delenv(name)
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path
