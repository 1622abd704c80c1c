"""The start of a process: what comes while it is not there yet, and in which order things are begun."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import write_profile
from traymon.app import App, run_app, running
from traymon.app.running import _Asked
from traymon.config import ConfigError


class Recorder:
    """An app of which only what signals ask for is wanted."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def end(self) -> None:
        self.did.append("end")

    def reload_or_say(self) -> None:
        self.did.append("reload")


def test_what_is_asked_before_the_app_has_started_is_done_then() -> None:
    asked, app = _Asked(), Recorder()
    asked.reload()
    asked.end()
    assert app.did == []
    asked.answer_by(app, None)  # type: ignore[arg-type]
    assert app.did == ["reload", "end"]
    asked.end()
    assert app.did == ["reload", "end", "end"]


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signals' handlers as they were, at the end."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot signal itself there")
@pytest.mark.usefixtures("handlers")
def test_a_signal_that_comes_with_the_icon_ends_it_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The icon is there before the app: whoever sees it may end it at once."""
    ends: list[str] = []
    stop = App.stop

    def stopped(app: App) -> None:
        stop(app)
        ends.append("app")

    @contextlib.contextmanager
    def icon(_on_activate: Callable[[str], None], _environ: Mapping[str, str]) -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield
        ends.append("icon")

    monkeypatch.setattr(running, "first_icon", icon)
    monkeypatch.setattr(App, "stop", stopped)
    monkeypatch.setattr("traymon.tray.choose.display_opens", lambda: False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert run_app(write_profile(tmp_path, {}), use_tray=True) == 0
    assert ends == ["app", "icon"]


def test_a_configuration_that_cannot_be_used_comes_before_any_icon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def icon(*_: Any) -> Any:
        pytest.fail("no icon for a program that ends at once")

    profile = write_profile(tmp_path, {})
    profile.config_file.write_text("[bots.x]\nnonsense = 1\n")
    monkeypatch.setattr(running, "first_icon", icon)
    with pytest.raises(ConfigError, match="nonsense"):
        run_app(profile, use_tray=True)
