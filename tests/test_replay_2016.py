"""The replay of 2016: the facts as they were printed, traymon's part by its real core, every figure from the store."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from click.testing import CliRunner

from tests.support import MEASURED
from traymon import words
from traymon.cli import cli
from traymon.cli.replay import facts, night
from traymon.cli.replay.night import BOTKIT, TRAYMON, Night, NotWrittenError
from traymon.keeper.core.policy import MINUTE, SECOND, Policy
from traymon.keeper.core.states import DOWN, UP
from traymon.paths import Profile
from traymon.sessionlog.view import LogView

HOUR = 60 * MINUTE
TOLD = ((15 * 60) + 40) * MINUTE + 2 * SECOND
"""15 h 40 min 02 s."""


def play(folder, **how):
    profile = Profile.throwaway(folder)
    Night(profile, **how).play()
    return LogView(profile.db)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return play(tmp_path_factory.mktemp("night"))


def events(log, bot, *kinds):
    return [event for event in log.events(bot) if not kinds or event.kind in kinds]


def down_ms(log, bot):
    """Of the night's outage, span by span."""
    return sum(
        span.lasted_ms for span in log.spans(bot) if span.state in DOWN and span.started_at >= facts.CLOSED_AT
    )


# Botkit's part: as it was


def test_botkit_lived_as_long_as_it_printed(log):
    assert facts.CLOSED_AT - facts.STARTED_AT == TOLD
    (start,), (stop,) = events(log, BOTKIT, "start"), events(log, BOTKIT, "stop")
    assert (start.at, stop.at) == (facts.STARTED_AT, facts.CLOSED_AT)
    (up,) = [span for span in log.spans(BOTKIT) if span.state in UP]
    assert up.lasted_ms == stop.facts["up_ms"] == TOLD


def test_botkits_log_claims_no_cause(log):
    (stop,) = events(log, BOTKIT, "stop")
    assert (stop.cause, stop.close_code, stop.detail) == ("unknown", 1006, facts.CLOSE_EVENT)
    assert {event.cause for event in events(log, BOTKIT, "fail")} == {"unknown"}


def test_botkit_tried_three_times_at_the_measured_delays_and_gave_up_for_good(log):
    fails = events(log, BOTKIT, "fail")
    assert tuple(event.facts["delay_ms"] for event in fails) == (1_000, 6_297, 9_096)
    ends = [facts.CLOSED_AT, *(event.at for event in fails)]
    took = [after - before for before, after in pairwise(ends)]
    assert took == [delay + facts.ROUND_TRIP_MS for delay in facts.RETRY_DELAYS_MS]
    assert ends[-1] - ends[0] < 30 * SECOND
    *_, last = log.spans(BOTKIT)
    assert last.ended_at is None
    assert last.started_at + last.lasted_ms == facts.FOUND_AT


# traymon's part: by its core


def test_both_bots_are_given_the_same_night(log):
    for kind in ("start", "stop"):
        assert events(log, TRAYMON, kind)[0].at == events(log, BOTKIT, kind)[0].at
    assert [span.started_at for span in log.spans(BOTKIT)][:2] == [
        span.started_at for span in log.spans(TRAYMON)
    ][:2]


def test_traymon_comes_back_only_after_botkits_last_attempt_failed(log):
    last = events(log, BOTKIT, "fail")[-1]
    _, back = events(log, TRAYMON, "start")
    assert last.at == facts.slack_back_at()
    assert back.at >= last.at + facts.CONNECT_MS
    assert back.facts["down_ms"] == down_ms(log, TRAYMON) == back.at - facts.CLOSED_AT
    assert back.facts["attempts"] > len(facts.RETRY_DELAYS_MS)


def test_traymons_log_says_why(log):
    (stop,), (why,), (fail,) = (events(log, TRAYMON, kind) for kind in ("stop", "why", "fail"))
    assert (stop.cause, stop.close_code) == ("abrupt_close", 1006)
    assert (why.facts["probe_dns"], why.facts["probe_tcp"]) == ("ok", "connect_refused")
    assert fail.cause == "connect_refused"
    assert stop.at <= why.at <= stop.at + 3 * SECOND


def test_the_bots_are_as_they_were_at_the_end(log):
    assert [log.spans(bot)[-1].state.value for bot in (BOTKIT, TRAYMON)] == ["offline", "online"]
    for bot in (BOTKIT, TRAYMON):
        spans = log.spans(bot)
        assert sum(span.lasted_ms for span in spans) == facts.FOUND_AT - spans[0].started_at


@pytest.mark.parametrize("away_ms", [1, MINUTE, 20 * MINUTE, 2 * HOUR])
def test_however_long_slack_stays_away_traymon_is_back_in_time(tmp_path, away_ms):
    back_at = facts.CLOSED_AT + away_ms
    log = play(tmp_path, back_at=back_at, until=back_at + MINUTE)
    _, _, longest_wait = Policy().retry_unreached
    back = events(log, TRAYMON, "start")[1].at
    assert back_at - facts.ROUND_TRIP_MS <= back - facts.CONNECT_MS <= back_at + longest_wait
    assert down_ms(log, TRAYMON) == back - facts.CLOSED_AT


def test_each_replay_is_the_same(log, tmp_path):
    assert play(tmp_path).events() == log.events()


def test_a_log_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(night, "_COMMIT_LIMIT_S", 0.2)
    (tmp_path / "file").touch()
    with pytest.raises(NotWrittenError, match=r"cannot be written"):
        play(tmp_path / "file")


# What is told


def replay(tmp_path, *arguments, **environ):
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", MEASURED) if name in os.environ}
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "traymon", "demo", "--replay", *arguments],
        env={**kept, **home, **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_story_is_the_stores_wherever_this_machine_is(log, tmp_path):
    page = tmp_path / "night.html"
    told = replay(tmp_path, "--output", str(page), TZ="UTC")
    assert replay(tmp_path, "--output", str(page), TZ="America/New_York") == told
    for fact in (
        "2016-12-19 15:49:08+09:00  start",
        "2016-12-20 07:29:10+09:00  RTM close event: 1006",
        "15h 40m 02s",
        "attempt 2 of 3, after 6,297 ms: failed",
        "reconnect failed after #4 attempts",
        "stop   traymon  after 15h 40m 02s  1006 abrupt_close",
    ):
        assert fact in told
    outcome = next(line for line in told.splitlines() if line.startswith("Botkit was offline"))
    assert f"for {words.duration(down_ms(log, BOTKIT))} when" in outcome
    assert f"for {words.duration(down_ms(log, TRAYMON))}, back" in outcome
    assert [int(number) for number in re.findall(r"  #(\d+)$", told, re.MULTILINE)] == [
        event.id for event in events(log, TRAYMON) if event.kind not in ("link_end", "setting")
    ]


def test_everything_assumed_is_said(tmp_path):
    told = replay(tmp_path, "--output", str(tmp_path / "night.html"))
    assumed = told.partition("assumed")[2].partition("What Botkit's console said")[0]
    for what in ("What 1006 was", "attempts failed", f"{facts.ROUND_TRIP_MS} ms", "09:00"):
        assert what in assumed


def test_the_report_tells_the_same(log, tmp_path):
    told = replay(tmp_path)
    (page,) = tmp_path.glob("traymon-*/*.html")
    assert str(page) in told
    text = page.read_text(encoding="utf-8")
    assert "UTC+9" in text
    for bot in (BOTKIT, TRAYMON):
        assert words.duration(down_ms(log, bot)) in text
    assert "15h 40m 02s" in text


def test_nothing_is_left_but_the_report(tmp_path):
    replay(tmp_path, "--output", str(tmp_path / "night.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["night.html"]


def test_without_a_desktop_opening_is_a_sentence(tmp_path):
    told = replay(tmp_path, "--open", "--output", str(tmp_path / "night.html"))
    if sys.platform == "linux":
        assert "It could not be opened (there is no desktop" in told


@pytest.mark.parametrize("arguments", [["--open"], ["--output", "x.html"]])
def test_the_live_demo_has_no_report(arguments):
    result = CliRunner().invoke(cli, ["demo", *arguments])
    assert result.exit_code == 2


def test_the_demo_tells_of_the_replay():
    assert "traymon demo --replay" in words.demo_intro()
