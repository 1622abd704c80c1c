"""The person's own command on every change: what it is told, what it is not, and how it ends."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import PATIENCE_S
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import State
from traymon.notifications import on_change
from traymon.notifications.facts import BotNow
from traymon.notifications.on_change import OnChange

WALL = 1_482_186_550_000
HUNG_UP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006)

RECORD = """
import json, os, sys
line = json.dumps({"argv": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(), "pgid": os.getpgid(0)})
with open(sys.argv[1], "a") as file:
    file.write(line + "\\n")
"""


def bot(state: State, name: str = "deploybot", failure: Failure | None = None) -> BotNow:
    return BotNow(name, "Acme", state, WALL, failure, transport="rtm")


class Command:
    """An OnChange that is ended by the test, and what it said."""

    def __init__(self, *argv: str, **options: Any) -> None:
        self.said: list[str] = []
        self.on_change = OnChange(argv, self.said.append, **options)
        self.on_change.start()

    def stop(self, limit_s: float = PATIENCE_S) -> None:
        self.on_change.stop(limit_s)
        assert not self.on_change._worker.is_alive()


@pytest.fixture
def start() -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def make(*argv: str, **options: Any) -> Command:
        started.append(Command(*argv, **options))
        return started[-1]

    yield make
    for command in started:
        command.stop()


@pytest.fixture
def record(tmp_path: Path, start: Callable[..., Command]) -> Callable[..., Command]:
    """A command that writes down how it was run."""
    script = tmp_path / "record.py"
    script.write_text(RECORD)
    return lambda *more, **options: start(
        sys.executable, str(script), str(tmp_path / "runs"), *more, **options
    )


def runs(folder: Path) -> list[dict[str, Any]]:
    file = folder / "runs"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_until(so: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (value := so()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        pause.wait(0.01)
    return value


def is_alive(pid: int) -> bool:
    """Not a zombie either: in a container nobody may collect orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_facts_reach_the_command(record: Callable[..., Command], tmp_path: Path) -> None:
    command = record("$HOME; touch oops", "*", session_log="/home/me/sessions.log")
    command.on_change.changed([bot(State.ONLINE)])
    command.on_change.changed([bot(State.OFFLINE, failure=HUNG_UP), bot(State.CONNECTING, "other")])
    command.stop()
    first, second, third = runs(tmp_path)
    assert first["argv"][1:] == ["$HOME; touch oops", "*"]
    assert first["stdin"] == ""
    assert first["pgid"] != os.getpgid(0)
    before = os.environ.keys()
    facts = {name: value for name, value in second["env"].items() if name.startswith("TRAYMON_")}
    facts = {name: value for name, value in facts.items() if name not in before}
    since = facts.pop("TRAYMON_SINCE")
    assert facts == {
        "TRAYMON_BOT": "deploybot",
        "TRAYMON_STATE": "offline",
        "TRAYMON_PREVIOUS_STATE": "online",
        "TRAYMON_CAUSE": "abrupt_close",
        "TRAYMON_EXPLANATION": "Slack hung up without a close frame.",
        "TRAYMON_TRANSPORT": "rtm",
        "TRAYMON_WORKSPACE": "Acme",
        "TRAYMON_SESSION_LOG": "/home/me/sessions.log",
    }
    assert since.startswith(("2016-12-19T", "2016-12-20T"))
    assert len(since) == len("2016-12-19T22:29:10+00:00")
    assert first["env"]["TRAYMON_PREVIOUS_STATE"] == "unknown"
    assert third["env"]["TRAYMON_BOT"] == "other"
    assert command.said == []


def test_only_changes_run_it(record: Callable[..., Command], tmp_path: Path) -> None:
    command = record()
    for state in (State.ONLINE, State.ONLINE, State.AWAY, State.AWAY, State.ONLINE):
        command.on_change.changed([bot(state)])
    command.on_change.entered(bot(State.OFFLINE), State.ONLINE)
    command.on_change.changed([bot(State.OFFLINE)])
    command.stop()
    states = [run["env"]["TRAYMON_STATE"] for run in runs(tmp_path)]
    assert states == ["online", "away", "online", "offline"]


def test_tokens_are_not_passed_on(record: Callable[..., Command], tmp_path: Path) -> None:
    secrets = {
        "SLACK_BOT_TOKEN": "whatever it looks like",
        "SLACK_APP_TOKEN": "whatever it looks like",
        "OTHER": "Bearer xoxb-1-2-abc",
        "ROTATED": "xoxe.xoxp-1-abc",
        "APP": "xapp-1-abc",
        "CUSTOM": "not to be recognised",
    }
    kept = {"PATH": os.environ["PATH"], "FOXBORO": "foxb-oro", "LANG": "ja_JP.UTF-8"}
    command = record(environ={**secrets, **kept}, without=["CUSTOM"])
    command.on_change.changed([bot(State.ONLINE)])
    command.stop()
    (run,) = runs(tmp_path)
    assert kept.items() <= run["env"].items()
    assert not secrets.keys() & run["env"].keys()


def test_hostile_texts_are_facts(record: Callable[..., Command], tmp_path: Path) -> None:
    failure = Failure(Cause.CLOSED_BY_SLACK, Phase.LIVE, "\x00\x1b[31m\ud800\n$(reboot)", 4000)
    command = record()
    command.on_change.changed([BotNow("d\x00b", "\x00", State.OFFLINE, 10**18, failure)])
    command.stop()
    (run,) = runs(tmp_path)
    assert run["env"]["TRAYMON_BOT"] == "d\\x00b"
    assert "\\x00\\x1b[31m\\ud800\\n$(reboot)" in run["env"]["TRAYMON_EXPLANATION"]
    assert run["env"]["TRAYMON_SINCE"] == ""


def test_another_command_holds_from_the_next_change_on(start: Callable[..., Command], tmp_path: Path) -> None:
    command = start(environ={**os.environ, "OTHER_TOKEN": "secret"})
    command.on_change.changed([bot(State.ONLINE)])  # nobody wants to know yet
    for number, state in enumerate((State.OFFLINE, State.ONLINE)):
        write = f'echo "$TRAYMON_PREVIOUS_STATE $TRAYMON_STATE $OTHER_TOKEN" > {tmp_path}/{number}'
        command.on_change.use(["sh", "-c", write], without=["OTHER_TOKEN"] * number)
        command.on_change.changed([bot(state)])
        file = tmp_path / f"{number}"
        wait_until(lambda file=file: file.exists() and file.read_text(), "the command")
    command.on_change.use([])
    command.on_change.changed([bot(State.PAUSED)])
    command.stop()
    assert (tmp_path / "0").read_text() == "online offline secret\n"
    assert (tmp_path / "1").read_text() == "offline online \n"
    command.on_change.use(["sh", "-c", "exit 3"])
    assert not command.on_change._worker.is_alive()
    assert command.said == []


@pytest.mark.parametrize("command", ["/nowhere/lamp", "lamp-that-nobody-has", "/tmp", "null\0"])
def test_command_that_cannot_be_run_is_said_once(start: Callable[..., Command], command: str) -> None:
    runner = start(command)
    for state in (State.ONLINE, State.OFFLINE, State.ONLINE):
        runner.on_change.changed([bot(state)])
    runner.stop()
    (sentence,) = runner.said
    assert "cannot be run" in sentence
    assert sentence.isprintable()


def test_failing_command_is_said_once(
    start: Callable[..., Command], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_change, "OUTPUT_S", PATIENCE_S)
    caplog.set_level("DEBUG", "traymon")
    command = start("sh", "-c", "echo lamp \033[31mbroken; echo on stderr >&2; exit 3")
    for state in (State.ONLINE, State.OFFLINE):
        command.on_change.changed([bot(state)])
    command.stop()
    (sentence,) = command.said
    assert "exit code 3" in sentence
    assert "lamp \\x1b[31mbroken\\non stderr" in caplog.text


def test_much_output_is_no_matter(start: Callable[..., Command], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "traymon")
    command = start(sys.executable, "-c", "print('x' * 10_000_000)")
    command.on_change.changed([bot(State.ONLINE)])
    command.stop()
    assert command.said == []
    assert len(caplog.text) < 20_000


def test_command_that_hangs_is_ended(start: Callable[..., Command]) -> None:
    command = start("sleep", "1000", time_limit_s=0.1)
    for state in (State.ONLINE, State.OFFLINE):
        command.on_change.changed([bot(state)])
    wait_until(lambda: not command.on_change._waiting and command.said, "the sentence")
    assert "was ended after" in command.said[0]
    command.stop()
    assert len(command.said) == 1


def test_children_end_with_the_command(tmp_path: Path) -> None:
    """Both ignore the request to end, so both must be made to."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 1000 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; wait"
    process = on_change._start(["sh", "-c", script], os.environ)
    assert process.stdout is not None
    with process.stdout:
        wait_until(pids.exists, "the command")
        on_change._end(process, 0.05)
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), "their end")


def test_command_is_asked_to_end_first(tmp_path: Path) -> None:
    ready, asked = tmp_path / "ready", tmp_path / "asked"
    script = f"trap 'echo >{asked}; exit 7' TERM; echo >{ready}; while :; do sleep 0.05; done"
    process = on_change._start(["sh", "-c", script], os.environ)
    assert process.stdout is not None
    with process.stdout:
        wait_until(ready.exists, "the command")
        on_change._end(process, PATIENCE_S)
    assert asked.exists()
    assert process.returncode == 7


def test_background_child_of_a_command_that_ended_goes_on(
    start: Callable[..., Command], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    command = start("sh", "-c", f"sleep 1000 & echo $! >{pid_file}")
    command.on_change.changed([bot(State.ONLINE)])
    command.stop()
    pid = int(pid_file.read_text())
    try:
        assert command.said == []
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_stop_never_hangs(start: Callable[..., Command], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = start("sh", "-c", f"trap '' TERM; echo >{ready}; sleep 1000")
    command.on_change.changed([bot(State.ONLINE)])
    command.on_change.changed([bot(State.OFFLINE)])
    wait_until(ready.exists, "the command")
    command.on_change.stop(1.0)
    command.on_change._worker.join(PATIENCE_S)
    assert not command.on_change._worker.is_alive()
    left = len(command.on_change._waiting)
    command.on_change.changed([bot(State.ONLINE)])
    assert len(command.on_change._waiting) == left, "nothing is taken any more"


def test_stop_without_a_start_and_without_a_command() -> None:
    OnChange(["true"], pytest.fail).stop(1)
    none = OnChange([], pytest.fail)
    none.start()
    none.changed([bot(State.ONLINE)])
    none.stop(1)


def test_queue_is_bounded_and_learns_the_last_state(
    record: Callable[..., Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_change, "MOST_WAITING", 8)
    monkeypatch.setattr(OnChange, "start", lambda _self: None)
    command = record()
    monkeypatch.undo()
    monkeypatch.setattr(on_change, "MOST_WAITING", 8)
    for _ in range(50):
        for state in (State.OFFLINE, State.ONLINE):
            command.on_change.changed([bot(state, "a"), bot(state, "b")])
    command.on_change.changed([bot(State.REFUSED, "a")])
    assert (len(command.on_change._waiting), len(command.on_change._late)) == (8, 2)
    command.on_change.start()
    command.stop()
    told = [(run["env"]["TRAYMON_BOT"], run["env"]["TRAYMON_STATE"]) for run in runs(tmp_path)]
    assert told[:8] == [("a", "offline"), ("b", "offline"), ("a", "online"), ("b", "online")] * 2
    assert told[8:] == [("a", "refused")], "b is as it was when no more could wait"
    for name in "ab":
        previous = "unknown"
        for run in runs(tmp_path):
            if run["env"]["TRAYMON_BOT"] == name:
                assert run["env"]["TRAYMON_PREVIOUS_STATE"] == previous
                previous = run["env"]["TRAYMON_STATE"]
    (sentence,) = command.said
    assert "slower than the bots change" in sentence
