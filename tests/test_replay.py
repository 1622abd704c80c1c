"""Scripts of what happens to a bot: played in virtual time and against the simulator, they come to the same."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from tests import test_core_years as years
from tests.replay import play
from tests.script import PlayedWorld, Script, logged
from traymon.keeper.core import Core

A_FIN_IN_AN_OLD_SESSION = """
transport rtm
0 start
65000 end live fin          # after over a minute: tried again at once
8000 end live rst           # soon after: only in 5 s
0 roll 0.5
20000 rest
"""
SILENCE_WITH_A_SPARE = """
0 start
0 attempt
0 attempt hello=900
30000 silence live          # suspect, a spare, and at its end the spare takes over
25000 silence live
5500 speech live            # suspect again, but within a minute of the spare: nothing is opened
0 frame live
30000 rest
"""
PLANNED_ENDS = """
transport socket
0 start
60000 goodbye live refresh
70000 click
10000 wake 28800000
30000 freeze 20000
20000 end live disabled
60000 rest
"""
FAILING_ATTEMPTS = """
0 start
0 attempt api=never failure=refused
0 attempt api=never failure=no_route
0 attempt api=never failure=server_error
0 attempt api=never failure=retry_after:30000
0 attempt handshake=never failure=bad_handshake
0 attempt hello=never failure=no_hello
0 attempt api=600 handshake=400 hello=500
120000 pause
40000000 resume
0 attempt api=never failure=refusal
0 attempt
60000 rest
3600000 token
60000 end live close
20000 rest
"""


@pytest.mark.parametrize(
    ("text", "otherwise"),
    [
        (A_FIN_IN_AN_OLD_SESSION, []),
        (SILENCE_WITH_A_SPARE, []),
        (PLANNED_ENDS, []),
        (FAILING_ATTEMPTS, ["attempt 2: no_route was made in front of the real connector"]),
    ],
    ids=["fin", "silence", "planned", "attempts"],
)
def test_a_script_comes_to_the_same_in_virtual_time_and_against_the_simulator(text, otherwise):
    script = Script.parse(text)
    expected = logged(PlayedWorld(script).play().notes())
    outcome = play(script)
    assert outcome.violation is None
    assert outcome.events == expected
    assert outcome.otherwise == otherwise


class Hasty(Core):
    """A core with a fault: it forgets Slack's Retry-After."""

    def _next_failed(self, failure, how=None):
        super()._next_failed(failure, how)
        self._not_before = 0


def told(error: BaseException) -> str:
    """The script in what Hypothesis tells of a failing example."""
    (text,) = [each for each in error.__notes__ if each.startswith(years.REPLAY_HINT)]
    return text.removeprefix(years.REPLAY_HINT)


def test_a_broken_promise_shrinks_to_a_script_that_breaks_it_again_against_the_simulator():
    @given(years.scripts())
    @settings(max_examples=300)
    def promises(script):
        years.keeps_its_promises(script, Hasty)

    with pytest.raises(AssertionError, match="before Retry-After allows") as found:
        promises()
    script = Script.parse(told(found.value))
    assert len(script.steps) <= 3, script
    outcome = play(script, Hasty)
    assert "before Retry-After allows" in str(outcome.violation)
    assert play(script).violation is None


def test_the_history_of_a_storm_breaks_the_same_promise_again():
    @given(years.seeds)
    @settings(max_examples=60, phases=[Phase.generate])
    def promises(seed):
        years.Trouble(seed, core=Hasty).live_through(30, mean_peace=20_000)

    with pytest.raises(AssertionError, match="before Retry-After allows") as found:
        promises()
    script = Script.parse(told(found.value))
    with pytest.raises(AssertionError, match="before Retry-After allows"):
        PlayedWorld(script, Hasty).play()
    PlayedWorld(script).play()


def replay(folder, text):
    """The command, as a person uses it."""
    file = folder / "trouble.script"
    file.write_text(text)
    command = [sys.executable, "-m", "tests.replay", str(file)]
    root = Path(__file__).parent.parent
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_the_steps_and_the_log(tmp_path):
    done = replay(tmp_path, A_FIN_IN_AN_OLD_SESSION + "100 end 77 fin\n")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["0 start", "65000 end live fin"]
    assert "otherwise: '100 end 77 fin': there is no such link" in lines
    assert lines.count("logged: stop abrupt_close") == 1
    assert lines[-1] == "every promise was kept"
    assert "in virtual time" not in done.stdout


@pytest.mark.parametrize(
    "line",
    ["0 ende live fin", "0 end live", "0 end one fin", "x click", "0 attempt api=soon", "transport smoke"],
)
def test_what_is_no_step_is_named(line):
    with pytest.raises(ValueError, match="line 2 is no step"):
        Script.parse(f"0 start\n{line}\n")
