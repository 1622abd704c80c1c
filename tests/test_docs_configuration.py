"""docs/configuration.md says what the code does."""

import os
import re
from pathlib import Path

import pytest

from traymon.config import DEFAULT_API_URL, Config, _Entry, parse
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.notifications.facts import BotNow
from traymon.notifications.on_change import OnChange

PATIENCE_S = 60.0

TEXT = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_is_a_configuration():
    config = parse(blocks("toml")[0], Path("/folder"))
    assert (config.language, config.on_change) == ("ja", ("/home/you/bin/bot-changed",))
    rtm, socket = config.bots
    assert (rtm.name, rtm.transport, rtm.api_url, rtm.relay) == ("deploybot", "rtm", DEFAULT_API_URL, False)
    assert rtm.ca_file == Path("/folder/company-ca.pem")
    assert (socket.name, socket.transport, socket.app_token, socket.relay) == (
        "newsbot",
        "socket",
        "keyring",
        True,
    )


def test_every_setting_has_its_row_and_no_other():
    assert first_column("| setting |") == set(_Entry.__struct_fields__)
    assert first_column("| for all |") == set(Config.__struct_fields__) - {"bots"}


def first_column(heading: str) -> set[str]:
    """The names in the first column of the table below ``heading``."""
    table = TEXT.partition(heading)[2].partition("\n\n")[0]
    return {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }


@pytest.mark.skipif(os.name == "nt", reason="the example is for sh")
def test_the_command_of_the_example_keeps_its_list(tmp_path: Path):
    (script,) = blocks("sh")
    command = tmp_path / "bot-changed"
    command.write_text(script)
    command.chmod(0o700)
    told: list[str] = []
    hung_up = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE)
    online = BotNow("deploybot", "Acme", State.ONLINE, 1_482_186_550_000, transport="rtm")
    offline = BotNow("deploybot", "Acme", State.OFFLINE, 1_482_186_550_000, hung_up, transport="rtm")
    on_change = OnChange([str(command)], told.append, environ={**os.environ, "HOME": str(tmp_path)})
    on_change.start()
    on_change.changed([online])
    on_change.changed([offline])
    on_change.stop(PATIENCE_S)
    assert told == []
    lines = (tmp_path / "bots.txt").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [
        "deploybot: online",
        "deploybot: Slack hung up without a close frame.",
    ]


def test_every_variable_of_the_command_has_its_row_and_no_other():
    change = type("Change", (), {"bot": BotNow("b", None, State.ONLINE, 0), "previous": State.UNKNOWN})
    assert first_column("| variable |") == set(OnChange([], print)._facts(change))  # type: ignore[arg-type]
