"""The set-up page's work without the page: tokens kept, the configuration written, the bot watched."""

import threading

import pytest

from traymon.config import load
from traymon.desktop.control import NotAnswering, NotRunning
from traymon.paths import Profile
from traymon.secrets import Secret
from traymon.setup import steps as module
from traymon.setup.checking import Candidate, Checked, Outcome
from traymon.setup.steps import CheckRequest, KeepRequest, Steps
from traymon.slack.cancel import Cancel
from traymon.slack.endpoint import Endpoint

CANARY = "xoxb-canary-1"
ONLINE = {"state": "online"}


@pytest.fixture
def profile(tmp_path):
    return Profile.throwaway(tmp_path / "p")


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch):
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    monkeypatch.delenv("SLACK_APP_TOKEN", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setattr(module, "WATCH_PAUSE_S", 0.001)


def checked(transport="rtm", **tokens):
    tokens = tokens or {"token": Secret(CANARY)}
    return Checked(Candidate(transport, Endpoint("https://slack.com/api/"), **tokens), "a", "Acme")


def kept(profile, request, *, what=None, states=(ONLINE,), on_done=lambda _: None, gone=None):
    """How it ended, and how each step did; the last of ``states`` stays."""
    told, left = [], list(states)

    def status(bot):
        state = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(state, Exception):
            raise state
        return state

    steps = Steps(profile, on_done, status, watch_limit_s=0.01)
    result = steps.keep(what or checked(), request, told.append, gone or threading.Event())
    assert "canary" not in repr(told)
    assert all(step.text.isprintable() for step in told)
    return result.end, {step.name: step for step in told}


def test_into_a_file(profile):
    end, told = kept(profile, KeepRequest(" a ", "file"))
    assert (end, told["online"].outcome) == ("online", Outcome.OK)
    (bot,) = load(profile.config_file, {}).bots
    path = profile.config_file.parent / "tokens" / "a.token"
    assert (bot.name, bot.transport, bot.token) == ("a", "rtm", f"file:{path}")
    assert path.read_text() == f"{CANARY}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert CANARY not in profile.config_file.read_text()


def test_both_tokens_of_socket_mode(profile):
    tokens = {"token": Secret(CANARY), "app_token": Secret("xapp-canary")}
    end, _ = kept(profile, KeepRequest("a", "file"), what=checked("socket", **tokens))
    assert end == "online"
    (bot,) = load(profile.config_file, {}).bots
    assert bot.token.endswith("/a.token")
    assert bot.app_token.endswith("/a.app_token")


def test_without_a_keyring_nothing_is_written(profile):
    end, told = kept(profile, KeepRequest("a"))
    assert (end, told["keep"].outcome) == ("no_keyring", Outcome.FAILED)
    assert "No keyring is ready" in told["keep"].text
    assert not profile.config_file.exists()


def test_the_environment_is_said_to_be_set_and_not_waited_for(profile, monkeypatch):
    monkeypatch.delenv("A_TOKEN", raising=False)
    done = []
    request = KeepRequest("a", "env", variable="A_TOKEN")
    end, told = kept(profile, request, states=[None], on_done=done.append)
    assert (end, told["keep"].outcome, done) == ("kept", Outcome.WARNING, ["a"])
    assert "Set A_TOKEN" in told["keep"].text
    monkeypatch.setenv("A_TOKEN", CANARY)
    end, told = kept(profile, KeepRequest("a", "env", variable="A_TOKEN", replace=True))
    assert (end, told["keep"].outcome) == ("online", Outcome.OK)


def test_a_bot_that_the_environment_made_is_not_lost_without_a_word(profile, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-old")
    _, told = kept(profile, KeepRequest("a", "file"))
    assert told["environment"].outcome is Outcome.WARNING
    _, told = kept(profile, KeepRequest("b", "file"))
    assert "environment" not in told


def test_a_program_of_rtm_on_socket_mode(profile):
    path = profile.config_file
    path.parent.mkdir(parents=True)
    path.write_text('[bots.a]\ntoken = "env:OLD"\n')
    tokens = Candidate(
        "socket",
        Endpoint("https://slack.com/api/"),
        token=Secret(CANARY),
        app_token=Secret("xapp-canary"),
        programs="rtm",
    )
    end, _ = kept(profile, KeepRequest("a", "file", replace=True), what=Checked(tokens, "a", "Acme"))
    assert end == "online"
    (bot,) = load(path, {}).bots
    folder = path.parent / "tokens"
    assert (bot.transport, bot.relay) == ("socket", "rtm")
    assert (bot.token, bot.app_token) == (f"file:{folder}/a.token", f"file:{folder}/a.app_token")


@pytest.mark.parametrize("variable", ["", "1", "A B", "A=B", "$A"])
def test_what_is_no_variable_changes_nothing(profile, variable):
    end, told = kept(profile, KeepRequest("a", "env", variable=variable))
    assert (end, told["config"].outcome) == ("failed", Outcome.FAILED)
    assert not profile.config_file.exists()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\u202ea", "x" * 81])
def test_what_is_no_name_changes_nothing(profile, name):
    end, told = kept(profile, KeepRequest(name, "file"))
    assert (end, told["name"].outcome) == ("failed", Outcome.FAILED)
    assert not profile.config_file.exists()


def test_a_name_that_is_taken_is_replaced_only_when_told(profile):
    assert kept(profile, KeepRequest("a", "file"))[0] == "online"
    before = profile.config_file.read_text()
    done = []
    assert kept(profile, KeepRequest("a", "file"), on_done=done.append)[0] == "taken"
    assert (profile.config_file.read_text(), done) == (before, [])
    other = checked("socket", app_token=Secret("xapp-canary"))
    assert kept(profile, KeepRequest("a", "file", replace=True), what=other)[0] == "online"
    (bot,) = load(profile.config_file, {}).bots
    assert bot.transport == "socket"


def test_a_file_with_a_fault_is_its_owner_s_to_mend(profile):
    profile.config_file.parent.mkdir(parents=True)
    profile.config_file.write_text("[bots.a")
    end, told = kept(profile, KeepRequest("a", "file"))
    assert end == "failed"
    assert str(profile.config_file) in told["config"].text
    assert profile.config_file.read_text() == "[bots.a"


def test_a_place_that_cannot_be_written_is_named(profile):
    profile.config_file.parent.mkdir(parents=True)
    (profile.config_file.parent / "tokens").write_text("no folder")
    end, told = kept(profile, KeepRequest("a", "file"))
    assert (end, told["keep"].outcome) == ("failed", Outcome.FAILED)
    assert "tokens" in told["keep"].text
    assert not profile.config_file.exists()
    broken = Profile.throwaway(profile.config_file.parent / "tokens" / "p")
    end, told = kept(broken, KeepRequest("a", "env", variable="A_TOKEN"))
    assert (end, told["config"].outcome) == ("failed", Outcome.FAILED)


def test_the_bot_is_watched_until_it_is_online(profile):
    states = [
        None,
        NotAnswering("busy"),
        {"state": "connecting"},
        {"state": "offline", "explanation": "Why."},
        ONLINE,
    ]
    end, told = kept(profile, KeepRequest("a", "file"), states=states)
    assert (end, told["online"].text) == ("online", "a is online.")


@pytest.mark.parametrize(
    ("status", "outcome", "said"),
    [
        ({"state": "refused", "explanation": "No \x1b."}, Outcome.FAILED, "No \\x1b."),
        ({"state": "paused"}, Outcome.WARNING, "choose Resume"),
        ({"state": "offline", "explanation": "Why."}, Outcome.WARNING, "keeps trying"),
        (None, Outcome.WARNING, "keeps trying"),
    ],
)
def test_a_bot_that_does_not_come_online_is_kept_all_the_same(profile, status, outcome, said):
    end, told = kept(profile, KeepRequest("a", "file"), states=[status])
    assert (end, told["online"].outcome) == ("kept", outcome)
    assert said in told["online"].text


@pytest.mark.parametrize(
    ("error", "said"), [(NotRunning("x"), "start traymon"), (NotAnswering("It hangs."), "It hangs.")]
)
def test_a_traymon_that_is_not_there_to_take_the_bot_in(profile, error, said):
    def on_done(bot):
        raise error

    end, told = kept(profile, KeepRequest("a", "file"), on_done=on_done)
    assert (end, told["online"].outcome) == ("kept", Outcome.WARNING)
    assert said in told["online"].text
    assert profile.config_file.exists()


def test_nobody_is_watched_for_who_has_gone(profile):
    gone = threading.Event()
    gone.set()
    assert kept(profile, KeepRequest("a", "file"), states=[None], gone=gone)[0] == "kept"


@pytest.mark.parametrize(
    "url", ["http://example.com/api/", "ftp://x/", "nonsense", "https://u:p@slack.com/api/"]
)
def test_a_token_is_sent_to_no_address_that_is_not_safe(profile, url):
    told = []
    steps = Steps(profile, lambda _: None, lambda _: None)
    result = steps.check(CheckRequest("rtm", token=CANARY, api_url=url), told.append, Cancel())
    assert (result.end, told[0].name) == ("failed", "address")


def test_a_request_shows_nothing_of_itself():
    assert CANARY not in repr(CheckRequest("rtm", token=CANARY, app_token=CANARY))
