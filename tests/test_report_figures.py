"""Every figure of the report against one computed the slow, obvious way, over logs that a real store wrote."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report_world import BEGINNINGS, LIVES, End, Move, World, expected
from traymon.report.figures import figures
from traymon.sessionlog.view import LogView


def a_world(folder: str, beginning: tuple[str, datetime], moves: list[Move], end: End | None) -> World:
    world = World(Path(folder) / "sessions.sqlite3", beginning)
    world.live(moves)
    world.close(end=end)
    return world


ENDS = st.none() | st.builds(End, st.booleans(), st.integers(0, 60), st.just(False))


@settings(max_examples=150)
@given(st.sampled_from(BEGINNINGS), LIVES, ENDS)
def test_every_figure_is_the_one_counted_by_quarters_of_an_hour(
    beginning: tuple[str, datetime], moves: list[Move], end: End | None
) -> None:
    with TemporaryDirectory() as folder:
        world = a_world(folder, beginning, moves, end)
        view = LogView(Path(folder) / "sessions.sqlite3")
        found = figures(view.spans(), view.events(), now_ms=world.wall, zone=world.zone)
    wanted = expected(world)
    for one in fields(wanted.bots[0]):
        assert getattr(found.bots[0], one.name) == getattr(wanted.bots[0], one.name), one.name
    assert found == wanted
