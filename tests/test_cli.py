"""The command line, as real processes: exit codes, sentences, and nothing that must not be shown."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest
from click.testing import CliRunner

from tests.support import MEASURED, PATIENCE_S, write_profile
from traymon.cli import _COMMANDS, cli
from traymon.cli.log import _cell
from traymon.cli.output import Sentence, guarded
from traymon.cli.screen import ascii_only
from traymon.config import load
from traymon.desktop.control import ControlServer
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import EnterState, Note, NoteKind
from traymon.keeper.core.states import State
from traymon.paths import Profile
from traymon.sessionlog.recorder import SessionLog
from traymon.simulator import Simulator

TOKEN = "xoxb-test-a"
HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e=cmd()\r\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals, modes and pseudo-terminals")


@pytest.fixture
def home(tmp_path):
    """An empty home, and the environment that leads there; no keyring and no tray."""
    (tmp_path / "run").mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH", MEASURED) if name in os.environ}
    return kept | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path / 'none'}",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture
def traymon(home):
    """Run a command to its end: exit code, output, errors."""

    def call(*arguments, given="", **environ):
        done = subprocess.run(
            [sys.executable, "-m", "traymon", *map(str, arguments)],
            env={**home, **environ},
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return call


def is_one_sentence(text):
    return re.fullmatch(r"traymon: [^\n]+[.?]\n", text) is not None


# Without anything


def test_version_and_help(traymon):
    assert re.fullmatch(r"traymon \d+\.\d+\.\d+\S*\n", traymon("--version").stdout)
    done = traymon("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in _COMMANDS)


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_has_help(command):
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["reconnect"], ["pause", "a"], ["resume"], ["quit"]]
)
def test_not_running_is_exit_code_3(traymon, arguments):
    done = traymon(*arguments)
    assert done.returncode == 3
    assert done.stdout == ""
    assert is_one_sentence(done.stderr)
    assert "not running" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["status", "--nonsense"], ["log", "--since", "soon"], ["log", "--format", "xml"]],
)
def test_wrong_usage_is_exit_code_2(traymon, arguments):
    done = traymon(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_an_empty_log_is_empty(traymon):
    for arguments in ([], ["--since", "yesterday"], ["--since", "3d"], ["--format", "json"]):
        done = traymon("log", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_status_imports_only_what_it_needs(home, tmp_path):
    script = (
        "import sys, atexit; from traymon.cli import main; "
        "atexit.register(lambda: print(*sorted(sys.modules))); sys.argv = ['traymon', 'status']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=home, capture_output=True, text=True, check=False
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"click", "msgspec"} <= loaded
    assert not loaded & {
        "slack_sdk",
        "websocket",
        "PIL",
        "pystray",
        "keyring",
        "tomlkit",
        "sqlite3",
        "asyncio",
        "aiohttp",
    }


# The configuration


def test_config_path(traymon, home, tmp_path):
    assert traymon("config", "path").stdout == f"{home['HOME']}/.config/traymon/config.toml\n"
    assert traymon("--config", "x.toml", "config", "path").stdout.endswith("/x.toml\n")
    assert (
        traymon("config", "path", XDG_CONFIG_HOME=str(tmp_path / "c")).stdout
        == f"{tmp_path}/c/traymon/config.toml\n"
    )


def test_config_check_says_what_is_there_and_shows_no_token(traymon, tmp_path):
    profile = write_profile(tmp_path / "p", {"a": "https://slack.com/api/"})
    done = traymon("--config", profile.config_file, "config", "check")
    assert done.returncode == 0
    assert "a: rtm" in done.stdout
    assert "found" in done.stdout
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[bots.a]\nrelayy = true", "did you mean “relay”"),
        ("[bots.a]\ntoken = 'env:NOT_SET'", "NOT_SET is not set"),
        ("[bots.a]\ntoken = 'keyring'", "No keyring is ready"),
        ("[bots.a]\ntoken = 'env:A_TOKEN'\nca_file = 'none.pem'", "none.pem"),
        ("", "No bot is configured"),
    ],
)
def test_config_check_finds_faults(traymon, tmp_path, text, said):
    (tmp_path / "c.toml").write_text(text)
    done = traymon("--config", tmp_path / "c.toml", "config", "check", A_TOKEN=TOKEN)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("text", ["[bots.a]\nrelayy = true", "[bots.a]\n[bots.a]", "\x00"])
def test_run_with_a_configuration_at_fault_is_exit_code_2(traymon, tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    for command in (["run", "--no-tray"], []):
        done = traymon("--config", tmp_path / "c.toml", *command)
        assert done.returncode == 2
        assert is_one_sentence(done.stderr)
        assert "c.toml" in done.stderr


def test_run_with_a_named_file_that_is_missing(traymon, tmp_path):
    done = traymon("--config", tmp_path / "none.toml", "run", SLACK_BOT_TOKEN=TOKEN)
    assert done.returncode == 2
    assert "does not exist" in done.stderr


# A running traymon


class Running:
    """``traymon run`` for one bot, as a process."""

    def __init__(self, home, config_file):
        self._home = home
        self._config = config_file
        self.process = subprocess.Popen(
            [sys.executable, "-m", "traymon", "--debug", "--config", str(config_file), "run", "--no-tray"],
            env=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_answering(self, call):
        until = time.monotonic() + PATIENCE_S
        while call("--config", self._config, "status").returncode == 3:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def run(home, traymon):
    started = []

    def start(config_file):
        running = Running(home, config_file)
        started.append(running)
        running.wait_until_answering(traymon)
        return running

    yield start
    for running in started:
        running.end()


@pytest.fixture
def slack():
    with Simulator() as simulator:
        simulator.add_bot(TOKEN, "a", team="Team")
        yield simulator


def test_a_whole_life(traymon, run, slack, home, tmp_path):
    profile = write_profile(tmp_path / "p", {"a": slack.api_url})
    call = lambda *arguments, **options: traymon("--config", profile.config_file, *arguments, **options)  # noqa: E731
    running = run(profile.config_file)
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)
    until = time.monotonic() + PATIENCE_S
    while (status := call("status")).returncode != 0:
        assert time.monotonic() < until
    assert re.match(r"a( \(Team\))?: online since \d\d:\d\d:\d\d\n", status.stdout)

    (bot,) = json.loads(call("status", "--json").stdout)["bots"]
    assert (bot["name"], bot["state"], bot["transport"]) == ("a", "online", "rtm")
    assert datetime.fromisoformat(bot["since"]).tzinfo is not None
    assert {"cause", "next_try", "programs"} <= bot.keys()

    second = call("run", "--no-tray")
    assert (second.returncode, second.stdout) == (
        0,
        "",
    )  # from no terminal: as from a desktop, it shows the running one

    unknown = call("reconnect", "zzz")
    assert unknown.returncode == 1
    assert is_one_sentence(unknown.stderr)
    assert call("reconnect", "a").returncode == 0

    assert "paused" in call("pause").stdout
    assert slack.wait(lambda: slack.open_links(TOKEN) == 0, PATIENCE_S)
    assert call("status").returncode == 1
    assert call("resume", "a").returncode == 0
    assert slack.wait(lambda: slack.open_links(TOKEN) == 1, PATIENCE_S)

    assert call("quit").returncode == 0
    out, err = running.process.communicate(timeout=PATIENCE_S)
    assert running.process.returncode == 0
    assert call("status").returncode == 3
    log = call("log").stdout
    assert re.search(r"start +a  online", log)
    assert re.search(r"stop +a  .*quit", log)
    for text in (out, err, log, call("log", "--format", "json").stdout):
        assert TOKEN not in text
        assert "ws://" not in text


def test_offline_is_exit_code_1(traymon, run, tmp_path):
    profile = write_profile(tmp_path / "p", {"a": "http://127.0.0.1:1/api/"})
    run(profile.config_file)
    until = time.monotonic() + PATIENCE_S
    while "offline" not in (done := traymon("--config", profile.config_file, "status")).stdout:
        assert time.monotonic() < until
    assert done.returncode == 1
    assert "refuses connections" in done.stdout


def test_a_traymon_that_does_not_answer_is_a_sentence(traymon, home, tmp_path, monkeypatch):
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    profile = Profile.default(None)

    answers = [{"ok": False, "error": HOSTILE}, {"ok": True, "say": [HOSTILE]}, {}]
    server = ControlServer(profile.control_address, lambda question: answers.pop(0))
    server.start()
    try:
        failed, said, empty = traymon("pause"), traymon("pause"), traymon("pause")
    finally:
        server.stop()
    assert (failed.returncode, said.returncode, empty.returncode) == (1, 0, 1)
    for done in (failed, said, empty):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)


# The log


class Clock:
    def now(self):
        return 1_000_000

    def wall(self):
        return 1_482_186_550_000

    awake = now


def write_log(profile, bots=("a", "b")):
    log = SessionLog(profile.db, profile.text_log, Clock(), on_fault=lambda sentence: None)
    log.open()
    for bot in bots:
        failure = Failure(Cause.CLOSED_BY_SLACK, Phase.LIVE, detail=HOSTILE, close_code=4000)
        written = threading.Event()
        log.record(
            bot,
            "rtm",
            [
                EnterState(State.CONNECTING, 1_000_000),
                EnterState(State.ONLINE, 1_000_100),
                Note(NoteKind.START, 1_000_100),
                EnterState(State.OFFLINE, 1_050_000, Cause.CLOSED_BY_SLACK, failure),
                Note(NoteKind.STOP, 1_050_000, failure, {"cause": "closed_by_slack", "up_ms": 49_900}),
            ],
            written.set,
        )
        assert written.wait(PATIENCE_S)
    log.close(PATIENCE_S)


@pytest.fixture
def default_log(home, monkeypatch):
    """The default profile's log, written with two bots."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    profile = Profile.default(None)
    write_log(profile)
    return profile


def test_the_log_as_text(traymon, default_log):
    whole = traymon("log").stdout
    assert whole == default_log.text_log.read_text()
    assert len(whole.splitlines()) == 4
    of_b = traymon("log", "--bot", "b").stdout
    assert of_b.splitlines() == [line for line in whole.splitlines() if "  b  " in line]
    assert traymon("log", "--since", "2016-12-19T22:29:20Z").stdout.count("stop") == 2
    assert traymon("log", "--since", "1h").stdout == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", whole)


def test_the_log_as_csv_starts_no_formula(traymon, default_log):
    done = traymon("log", "--format", "csv")
    header, *rows = list(csv.reader(io.StringIO(done.stdout)))
    assert header == ["at", "bot", "kind", "cause", "close_code", "detail", "text", "number"]
    assert [row[2] for row in rows] == ["start", "stop"] * 2
    assert not [cell for row in rows for cell in row if cell.lstrip()[:1] in {"=", "+", "-", "@"}]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout)


def test_the_log_as_json_is_one_object_a_line(traymon, default_log):
    done = traymon("log", "--format", "json", "--bot", "a")
    start, stop = [json.loads(line) for line in done.stdout.splitlines()]
    assert (start["kind"], stop["kind"], stop["cause"], stop["close_code"]) == (
        "start",
        "stop",
        "closed_by_slack",
        4000,
    )
    assert stop["detail"] == HOSTILE
    assert datetime.fromisoformat(stop["at"]).timestamp() == 1_482_186_600
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_a_reader_that_goes_away_is_no_error_message(home, default_log):
    with default_log.text_log.open("a") as file:
        file.write("x" * 200_000 + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "traymon", "log"],
        env=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(PATIENCE_S)


def test_a_damaged_database_is_a_sentence(traymon, default_log):
    default_log.db.write_bytes(b"rubbish" * 1_000)
    done = traymon("log", "--bot", "a")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr)


@pytest.mark.parametrize("text", ["=1+1", " =x", "+1", "-1", "@x", "\t=x", "'=x", "text", ""])
def test_a_cell_is_never_a_formula(text):
    assert _cell(text).lstrip()[:1] not in {"=", "+", "-", "@"}


def test_json_beyond_ascii_is_the_same_json():
    text = json.dumps({"x": "ボット 👩 \x9b \u202e"}, ensure_ascii=False)
    assert ascii_only(text).isascii()
    assert json.loads(ascii_only(text)) == json.loads(text)


# Set-up


def test_setup_into_a_private_file(traymon, slack, home, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("# mine\n[bots.other]\ntoken = 'env:OTHER' # keep\n")
    place = tmp_path / "secret" / "a"
    arguments = [
        "--config",
        config,
        "setup",
        "--name",
        "a",
        "--keep",
        f"file:{place}",
        "--api-url",
        slack.api_url,
    ]
    done = traymon(*arguments, given=f"{TOKEN}\n")
    assert done.returncode == 0, done.stderr
    assert "a in Team" in done.stdout
    assert TOKEN not in done.stdout + done.stderr + config.read_text()
    assert place.read_text() == f"{TOKEN}\n"
    assert place.stat().st_mode & 0o777 == 0o600
    assert config.read_text().startswith("# mine\n[bots.other]\ntoken = 'env:OTHER' # keep\n")
    assert traymon("--config", config, "config", "check", OTHER=TOKEN).returncode == 0
    before = config.read_text()
    assert traymon(*arguments, given=f"{TOKEN}\n").returncode == 0
    assert config.read_text() == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("xoxb-wrong\n", "does not know this token"),
        ("\n", "empty"),
        ("", "empty"),
        ("hunter2\n", "no token of Slack's"),
        ("xapp-1-x\n", "--transport socket"),
        ("xoxb- a\n", "does not look like a token"),
    ],
)
def test_setup_with_a_token_that_is_wrong_changes_nothing(traymon, slack, tmp_path, given, said):
    config = tmp_path / "c.toml"
    done = traymon(
        "--config",
        config,
        "setup",
        "--name",
        "a",
        "--keep",
        f"file:{tmp_path}/t",
        "--api-url",
        slack.api_url,
        given=given,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert is_one_sentence(done.stderr)
    assert not given.strip() or given.strip() not in done.stdout + done.stderr
    assert not config.exists()
    assert not (tmp_path / "t").exists()


def test_setup_of_socket_mode_asks_slack_and_says_where_the_program_is_to_connect(traymon, slack, tmp_path):
    slack.add_bot("xoxb-b", "b", app_token="xapp-b")
    config, place = tmp_path / "c.toml", tmp_path / "t"
    arguments = ["--config", config, "setup", "--name", "b", "--transport", "socket"]
    arguments += ["--keep", f"file:{place}", "--api-url", slack.api_url]
    done = traymon(*arguments, given="xapp-b\n")
    assert done.returncode == 0, done.stderr
    assert "accepts it for Socket Mode" in done.stdout
    assert "traymon relay b" in done.stdout
    assert place.read_text() == "xapp-b\n"
    (bot,) = load(config, {}).bots
    assert (bot.transport, bot.app_token) == ("socket", f"file:{place}")
    (call,) = slack.truth().calls
    assert (call.method, call.token) == ("apps.connections.open", "xapp-b")
    assert slack.wait(lambda: slack.open_links("xapp-b") == 0, PATIENCE_S)
    (link,) = slack.truth().links
    assert (link.hello_at is not None, link.ended_by) == (True, "client_close")  # tried, and parted in peace


@pytest.mark.parametrize(
    ("given", "said"),
    [("xapp-wrong\n", "does not know this token"), ("xoxb-b\n", "app-level token"), ("\n", "empty")],
)
def test_setup_of_socket_mode_with_a_token_that_is_wrong_changes_nothing(
    traymon, slack, tmp_path, given, said
):
    config = tmp_path / "c.toml"
    arguments = ["--config", config, "setup", "--name", "b", "--transport", "socket"]
    done = traymon(*arguments, "--keep", f"file:{tmp_path}/t", "--api-url", slack.api_url, given=given)
    assert done.returncode == 1
    assert said in done.stderr
    assert is_one_sentence(done.stderr)
    assert not config.exists()
    assert not (tmp_path / "t").exists()


def test_run_keeps_a_socket_mode_bot_and_says_that_it_is_a_preview(traymon, run, slack, tmp_path):
    slack.add_bot("xoxb-b", "b", app_token="xapp-test-b")
    profile = write_profile(tmp_path / "p", {"b": slack.api_url}, socket_mode={"b"})
    running = run(profile.config_file)
    assert slack.wait(lambda: slack.open_links("xapp-test-b") == 1, PATIENCE_S)
    status = traymon("--config", profile.config_file, "status", "--json")
    (bot,) = json.loads(status.stdout)["bots"]
    assert (bot["name"], bot["transport"]) == ("b", "socket")
    assert traymon("--config", profile.config_file, "quit").returncode == 0
    _, err = running.process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err


def test_setup_without_a_keyring_tells_the_choices_and_changes_nothing(traymon, slack, tmp_path):
    done = traymon(
        "--config",
        tmp_path / "c.toml",
        "setup",
        "--name",
        "a",
        "--api-url",
        slack.api_url,
        given=f"{TOKEN}\n",
    )
    assert done.returncode == 1
    assert "--keep file:PATH or --keep env:NAME" in done.stderr
    assert not (tmp_path / "c.toml").exists()


def test_setup_with_the_environment(traymon, slack, tmp_path):
    config = tmp_path / "c.toml"
    arguments = [
        "--config",
        config,
        "setup",
        "--name",
        "a",
        "--keep",
        "env:A_TOKEN",
        "--api-url",
        slack.api_url,
    ]
    assert traymon(*arguments).returncode == 1
    assert not config.exists()
    assert traymon(*arguments, A_TOKEN=TOKEN).returncode == 0
    assert 'token = "env:A_TOKEN"' in config.read_text()


def test_setup_does_not_write_over_a_file_with_a_fault(traymon, slack, tmp_path):
    config = tmp_path / "c.toml"
    for content in (b"[bots.a", b"\xff\xfe", b"[bots.a]\nrelayy = true"):
        config.write_bytes(content)
        done = traymon(
            "--config", config, "setup", "--name", "b", "--api-url", slack.api_url, given=f"{TOKEN}\n"
        )
        assert done.returncode == 2
        assert config.read_bytes() == content


def test_setup_keeps_a_link_to_the_configuration(traymon, slack, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    config = tmp_path / "c.toml"
    config.symlink_to(tmp_path / "dotfiles" / "real.toml")
    done = traymon(
        "--config",
        config,
        "setup",
        "--name",
        "a",
        "--keep",
        f"file:{tmp_path}/t",
        "--api-url",
        slack.api_url,
        given=f"{TOKEN}\n",
    )
    assert done.returncode == 0, done.stderr
    assert config.is_symlink()
    assert "[bots.a]" in (tmp_path / "dotfiles" / "real.toml").read_text()


def test_setup_at_a_terminal_does_not_echo_the_token(home, slack, tmp_path):
    import pty

    arguments = [
        sys.executable,
        "-m",
        "traymon",
        "--config",
        str(tmp_path / "c.toml"),
        "setup",
        "--keep",
        f"file:{tmp_path}/t",
        "--api-url",
        slack.api_url,
    ]
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(arguments[0], arguments, home)
    try:
        seen = _read_until(terminal, b"Name of the bot")
        os.write(terminal, b"a\n")
        seen += _read_until(terminal, b"not shown")
        os.write(terminal, f"{TOKEN}\n".encode())
        seen += _read_until(terminal, b"Start it with")
    finally:
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert TOKEN.encode() not in seen
    assert (tmp_path / "t").read_text() == f"{TOKEN}\n"


def _read_until(terminal, text):
    seen = b""
    while text not in seen:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            more = b""
        assert more, seen
        seen += more
    return seen


# Defects


@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_is_a_sentence_and_with_debug_a_traceback_without_secrets(capsys, debug):
    with pytest.raises(Sentence) as caught, guarded(debug=debug):
        raise RuntimeError(f"Authorization: Bearer {TOKEN} to wss://x.example/?ticket=abc{HOSTILE}")
    assert "RuntimeError" in caught.value.message
    assert TOKEN not in caught.value.message
    shown = capsys.readouterr().err
    assert ("Traceback" in shown) == debug
    assert TOKEN not in shown
    assert "ticket" not in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_a_file_that_cannot_be_used_is_named():
    with pytest.raises(Sentence, match=r"/none/x cannot be used"), guarded(debug=False):
        os.open("/none/x", os.O_RDONLY)


def test_with_debug_only_our_own_modules_say_more(traymon, tmp_path):
    profile = write_profile(tmp_path / "p", {"a": "https://slack.com/api/"})
    done = traymon("--debug", "--config", profile.config_file, "config", "check")
    assert done.returncode == 0
    assert TOKEN not in done.stderr
