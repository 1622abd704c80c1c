"""The wiring: what only shows when the parts are put together, and nowhere else."""

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import PATIENCE_S, app_token_of, events, running, token_of, wait_for_state, write_profile
from traymon.app import App, ended_by_signals
from traymon.app import token as module
from traymon.config import BotConfig, Config, ConfigError
from traymon.keeper.core import State
from traymon.keeper.core.causes import Cause
from traymon.keeper.shell import Picture
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator


@pytest.mark.parametrize(
    ("transport", "which", "token"),
    [("rtm", "token", token_of("bot")), ("socket", "app_token", app_token_of("bot"))],
)
def test_each_transport_has_its_own_token_in_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, which: str, token: str
) -> None:
    """A keyring's place in a table: a real one is read in test_secrets.py."""
    held = {("keyring", "bot", which): token}

    def read(source: str, bot: str, of: str, *, profile: str, unlock: bool) -> str:
        return held[source, bot, of]

    monkeypatch.setattr(module, "read_secret", read)
    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot", app_token=app_token_of("bot"))
        bot = BotConfig(
            name="bot",
            transport=transport,  # type: ignore[arg-type]
            token="keyring",
            app_token="keyring" if transport == "socket" else None,
            api_url=slack.api_url,
        )
        app = App(write_profile(tmp_path, {}), Config((bot,)))
        app.start()
        try:
            wait_for_state(app, "bot", State.ONLINE)
        finally:
            app.stop()
        (link,) = slack.truth().links
    assert (link.transport, link.token) == (transport, token)


def test_while_the_log_lags_its_disk_is_not_asked_for_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hang, and the icon must change all the same."""
    asked: list[str] = []

    def last_outage(_: LogView, bot: str) -> None:
        asked.append(bot)

    with Simulator() as slack:
        slack.add_bot(token_of("bot"), "bot")
        with running(write_profile(tmp_path, {"bot": slack.api_url})) as app:
            wait_for_state(app, "bot", State.ONLINE)
            shown = app.board.picture().bots["bot"]
            monkeypatch.setattr(LogView, "last_outage", last_outage)
            assert (
                "not logged yet" in app.showing.view(Picture({"bot": replace(shown, logged=False)})).tooltip
            )
            assert not asked
            assert "not logged yet" not in app.showing.view(Picture({"bot": shown})).tooltip
            assert asked == ["bot"]


def test_a_changed_configuration_touches_only_what_changed(tmp_path: Path) -> None:
    """One bot stays, one is changed, one goes, one comes; a fault in the file changes nothing."""
    names = ["stays", "changed", "goes", "comes"]
    with Simulator() as slack:
        for name in names:
            slack.add_bot(token_of(name), name)
        slack.add_bot(token_of("other"), "changed")
        profile = write_profile(tmp_path, dict.fromkeys(names[:3], slack.api_url))
        with running(profile) as app:
            for name in names[:3]:
                wait_for_state(app, name, State.ONLINE)
            profile.config_file.write_text("[bots.x]\nno_such_key = 1\n")
            with pytest.raises(ConfigError, match="no_such_key"):
                app.reload()
            kept = ["stays", "changed", "comes"]
            write_profile(tmp_path, dict.fromkeys(kept, slack.api_url), tokens={"changed": token_of("other")})
            text = profile.config_file.read_text()
            profile.config_file.write_text(text.replace("changed.token", "changed-2.token"))
            source = profile.config_file.parent
            (source / "changed.token").rename(source / "changed-2.token")
            told = app.reload()
            wait_for_state(app, "comes", State.ONLINE)
            assert slack.wait(lambda: slack.open_links(token_of("other")) == 1, PATIENCE_S)
            assert [bot["name"] for bot in app.status()] == app.bots.names() == kept
            assert [line.split(":")[0] for line in told] == ["changed", "comes", "goes"]
            assert app.reload() == []
        links = slack.truth().links
    assert [link.token for link in links].count(token_of("stays")) == 1
    assert [e.kind for e in events(profile, "goes", "start", "stop")] == ["start", "stop"]
    assert [e.cause for e in events(profile, "goes", "stop")] == [Cause.USER]


@pytest.fixture
def handlers() -> Iterator[None]:
    """The signals' handlers as they were, at the end."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="no thread can be signalled there")
@pytest.mark.usefixtures("handlers")
def test_a_signal_is_heard_though_the_main_thread_waits_and_does_not_notice() -> None:
    """The same as one that comes just before the wait begins, which no test can time."""
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def signal_myself() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with ended_by_signals(lambda: ended.put(None)):
        other = threading.Thread(target=signal_myself)
        other.start()
        ended.get(timeout=PATIENCE_S)
        other.join()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
@pytest.mark.usefixtures("handlers")
def test_a_closed_terminal_ends_only_what_does_not_outlive_it() -> None:
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    with ended_by_signals(lambda: told.put("ends"), on_hangup=lambda: told.put("reads anew")):
        os.kill(os.getpid(), signal.SIGHUP)
        assert told.get(timeout=PATIENCE_S) == "reads anew"
        os.kill(os.getpid(), signal.SIGINT)
        assert told.get(timeout=PATIENCE_S) == "ends"
    assert told.empty()
    with ended_by_signals(lambda: told.put("ends")):
        os.kill(os.getpid(), signal.SIGHUP)
        assert told.get(timeout=PATIENCE_S) == "ends"
    assert signal.set_wakeup_fd(-1) == -1
