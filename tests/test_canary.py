"""A token shows up nowhere: not in logs, database, argument lists, tracebacks or --debug output, whatever goes wrong.

The worst that can happen is another side that echoes what it was sent: each bot here meets one such fault.
"""

import subprocess
import sys
from pathlib import Path

from tests.support import PATIENCE_S, start, token_of, write_profile
from traymon.paths import Profile
from traymon.simulator import Simulator
from traymon.simulator import faults as f

CANARY = "4242424242-canary"
ECHO = token_of(CANARY)

WRONGS: dict[str, f.CallFault | f.HandshakeFault] = {
    "http": f.HttpStatus(500, body=ECHO.encode()),
    "garbage": f.GarbageAnswer(b"<html>" + ECHO.encode() + b"</html>"),
    "code": f.SlackCode("internal_error " + ECHO),
    "hangup": f.HangUp(),
    "forbidden": f.HandshakeStatus(403, ECHO.encode()),
    "ssh": f.HandshakeGarbage(ECHO.encode() + b"\r\n\r\n"),
    "refused": f.SlackCode("invalid_auth"),
}


def traymon(profile: Profile, *words: str) -> str:
    """What a command says, on either stream."""
    command = [sys.executable, "-m", "traymon", "--debug", "--config", str(profile.config_file), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def test_the_canary_is_nowhere(home: Path) -> None:
    tokens = {name: f"{ECHO}-{name}" for name in WRONGS}
    with Simulator() as slack:
        for name, wrong in WRONGS.items():
            slack.add_bot(tokens[name], name)
            slack.arm(wrong, token=tokens[name], times=None if name == "refused" else 1)
        written = write_profile(home, dict.fromkeys(WRONGS, slack.api_url), tokens=tokens)
        profile = Profile.default(written.config_file)
        process = start(profile, "--debug")
        try:
            for name in WRONGS.keys() - {"refused"}:
                assert slack.wait(lambda name=name: slack.open_links(tokens[name]) == 1, PATIENCE_S)  # type: ignore[misc]
                slack.close(tokens[name], 1011, f"{ECHO} is to blame")
            argv = Path(f"/proc/{process.pid}/cmdline").read_bytes() if sys.platform == "linux" else b""
            said = traymon(profile, "status", "--json") + traymon(profile, "config", "check")
        finally:
            process.terminate()
            out, err = process.communicate(timeout=PATIENCE_S)
        said += traymon(profile, "log") + traymon(profile, "log", "--format", "json")
        assert process.returncode == 0
    everything = {"argv": argv, "commands": said.encode(), "stdout": out.encode(), "stderr": err.encode()}
    for path in home.rglob("*"):
        if path.is_file() and path.suffix != ".token":
            everything[str(path)] = path.read_bytes()
    assert {profile.db.name, profile.text_log.name} <= {Path(where).name for where in everything}
    assert b"LinkEnded" in everything["stderr"], "--debug says something"
    for where, text in everything.items():
        assert CANARY.encode() not in text, where
        assert b"/link/" not in text, f"a ticket in {where}"
