"""kill -9 at twenty random moments: the log stays whole, and every stop is near the truth that Slack's side knows."""

import random
import re
import threading
from itertools import pairwise
from pathlib import Path

from tests.support import PATIENCE_S, events, start, token_of, write_profile
from traymon.keeper.core.effects import SILENT_KINDS
from traymon.paths import Profile
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator

SEED = 20161220
KILLS = 20
ESTIMATE_MS = 15_000
"""Promise 1: a stop after a kill is within 15 s of the truth."""


def test_twenty_kills(home: Path) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    token = token_of("bot")
    with Simulator() as slack:
        slack.add_bot(token, "bot")
        profile = Profile.default(write_profile(home, {"bot": slack.api_url}).config_file)
        for _ in range(KILLS):
            known = len(slack.truth().links_of(token))
            process = start(profile)
            if rng.random() < 0.8:
                assert slack.wait(lambda known=known: len(slack.truth().links_of(token)) > known, PATIENCE_S)  # type: ignore[misc]
                if rng.random() < 0.3:
                    slack.fin(token)
            threading.Event().wait(rng.random() * rng.choice([0.1, 0.5, 1.5]))
            process.kill()
            _, said = process.communicate(timeout=PATIENCE_S)
            assert "Traceback" not in said
        known = len(slack.truth().links_of(token))
        process = start(profile)
        # Not open_links: a killed process's link may still be among them.
        assert slack.wait(lambda: len(slack.truth().links_of(token)) > known, PATIENCE_S)
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        truth = slack.truth().links_of(token)

    told = events(profile, "bot", "start", "stop")
    assert [e.kind for e in told] == ["start", "stop"] * (len(told) // 2)
    assert len(told) >= KILLS  # most kills came while the bot was up
    for begun, ended in zip(told[::2], told[1::2], strict=True):
        link = min(truth, key=lambda known: abs((known.hello_wall or 0) - begun.at))
        assert link.ended_wall is not None
        assert abs(ended.at - link.ended_wall) <= ESTIMATE_MS
        assert bool(ended.facts.get("estimated")) == (ended.cause == "traymon_died")

    spans = LogView(profile.db).spans(bot="bot")
    for one, following in pairwise(spans):
        assert one.ended_at == following.started_at
        assert one.started_at + one.lasted_ms == one.ended_at

    numbers = [int(n) for n in re.findall(r"#(\d+)$", profile.text_log.read_text("utf-8"), re.MULTILINE)]
    assert numbers == [e.id for e in events(profile, "bot") if e.kind not in SILENT_KINDS]
