"""Who each bot is, remembered over restarts."""

import json
import threading
from pathlib import Path

import pytest

from tests.support import PATIENCE_S
from traymon.relay.identities import Identities, Known
from traymon.relay.methods import connect_answer
from traymon.slackwire.api import ConnectAnswer, Identity

CONNECT = ConnectAnswer("wss://slack/ticket", "U1", "bot", "T1", "Acme", "acme")
KNOWN = Known("U1", "bot", "T1", "Acme", "acme")


def settle() -> None:
    """Until all is written."""
    for thread in threading.enumerate():
        if thread.name == "relay identities":
            thread.join(PATIENCE_S)


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "relay-bots.json"
    identities = Identities(file)
    assert identities.get("bot") is None
    assert identities.learn("bot", CONNECT) is False
    assert identities.get("bot") == KNOWN
    settle()
    assert Identities(file).get("bot") == KNOWN
    assert "ticket" not in file.read_text()


def test_auth_test_tells_the_same(tmp_path: Path) -> None:
    identities = Identities(tmp_path / "file")
    identities.learn("bot", Identity("U1", "bot", "T1", "Acme", "https://acme.slack.com/", "B1"))
    assert identities.get("bot") == KNOWN
    settle()


def test_only_another_identity_is_news(tmp_path: Path) -> None:
    file = tmp_path / "file"
    identities = Identities(file)
    identities.learn("bot", CONNECT)
    settle()
    file.unlink()
    assert identities.learn("bot", CONNECT) is False
    settle()
    assert not file.exists()  # nothing new, nothing written
    renamed = ConnectAnswer("", "U1", "robot", "T1", "Acme", "acme")
    assert identities.learn("bot", renamed) is False
    other = ConnectAnswer("", "U2", "bot", "T1", "Acme", "acme")
    assert identities.learn("bot", other) is True
    assert identities.learn("second", CONNECT) is False
    settle()
    assert json.loads(file.read_text()).keys() == {"bot", "second"}


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"bot": {"self_id": 1}}', b'{"bot": {}}'])
def test_a_damaged_file_holds_nothing(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    identities = Identities(file)
    assert identities.get("bot") is None
    identities.learn("bot", CONNECT)
    settle()
    assert Identities(file).get("bot") == KNOWN


def test_a_file_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    identities = Identities(tmp_path / "state" / "file")
    identities.learn("bot", CONNECT)
    settle()
    assert identities.get("bot") == KNOWN


def test_rtm_start_adds_what_old_clients_take_for_granted() -> None:
    new, old = (connect_answer(KNOWN, "ws://127.0.0.1:1/link/x", old=old) for old in (False, True))
    assert new == {
        "ok": True,
        "url": "ws://127.0.0.1:1/link/x",
        "self": {"id": "U1", "name": "bot"},
        "team": {"id": "T1", "name": "Acme", "domain": "acme"},
    }
    assert new.items() <= old.items()
    assert all(old[key] == [] for key in ("users", "channels", "groups", "mpims", "ims", "bots"))
