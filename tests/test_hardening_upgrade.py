"""Logs that earlier versions wrote, taken over by this one: nothing of them is lost, and they go on.

``tests/schemas`` holds one for each version of the tables, as SQL: two bots through outages, handovers, a pause, an end
and a kill, written by a traymon of that version. Only their times were moved.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.sessionlog_kit import rows
from tests.stage import ONLINE, Stage, staged
from tests.support import events
from traymon.sessionlog.schema import MIGRATIONS
from traymon.sessionlog.view import LogView
from traymon.simulator import Simulator

SCHEMAS = {
    int(path.stem.removeprefix("version-")): path
    for path in (Path(__file__).parent / "schemas").glob("version-*.sql")
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ended by a signal as POSIX has them")


@pytest.fixture(scope="module")
def slack() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def stage(home: Path, slack: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(home, slack, monkeypatch) as stage:
        stage.configure(f'token = "file:{stage.keep_token()}"', name="deploybot")
        yield stage


def test_there_is_a_log_of_every_version() -> None:
    assert sorted(SCHEMAS) == [migration.to for migration in MIGRATIONS]


@pytest.mark.parametrize("version", sorted(SCHEMAS))
def test_a_log_of_an_earlier_version_goes_on(stage: Stage, version: int) -> None:
    db = stage.profile.db
    db.parent.mkdir(parents=True)
    with closing(sqlite3.connect(db)) as connection:
        connection.executescript(SCHEMAS[version].read_text(encoding="utf-8"))
    before = rows(db, "SELECT at, bot, kind FROM events ORDER BY id")
    process = stage.start()
    stage.hold(bot="deploybot")
    assert "deploybot (Simulated): online since" in stage.status(ONLINE).stdout
    assert stage.end(process) == ""

    stage.assert_whole("deploybot", stops=5)
    after = rows(db, "SELECT at, bot, kind FROM events ORDER BY id")
    assert after[: len(before)] == before
    for bot in ("deploybot", "helper"):
        died = events(stage.profile, bot, "stop")[3]
        assert (died.cause, died.facts["estimated"]) == ("traymon_died", True)
    told = stage.traymon("log", "--bot", "helper").stdout.splitlines()
    assert [line.split()[2] for line in told].count("start") == 4
    assert LogView(db).totals("helper").sessions == 4
    assert rows(db, "PRAGMA user_version") == [(MIGRATIONS[-1].to,)]
