"""The wiring: what only shows when the parts are put together, and nowhere else."""

from pathlib import Path

import pytest

from tests.support import app_token_of, token_of, wait_for_state, write_profile
from traymon import app as module
from traymon.app import App
from traymon.config import BotConfig, Config
from traymon.keeper.core import State
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
        said: list[str] = []
        app = App(write_profile(tmp_path, {}), Config((bot,)), say=said.append)
        app.start()
        try:
            wait_for_state(app, "bot", State.ONLINE)
        finally:
            app.stop()
        (link,) = slack.truth().links
    assert (link.transport, link.token) == (transport, token)
    assert any("Socket Mode is a preview" in sentence for sentence in said) is (transport == "socket")
