"""How much of the log is shown."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from traymon.keeper.core.states import State
from traymon.report.window import MOST_DAYS, MOST_SPANS, Window, first_day, shown_end, window
from traymon.sessionlog.rows import Span

ZONE = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2016, 12, 20, 6, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
CUT = int(datetime(2016, 9, 21, 22, tzinfo=UTC).timestamp() * 1000)
"""The midnight before 2016-09-22 in Berlin, in summer time: with it, today is the 90th day."""


def span(begin: int, end: int, bot: str = "bot", *, open: bool = False) -> Span:
    return Span(
        1, bot, State.ONLINE, begin, end - begin, end, None if open else end, None, None, "", {}, 0, "rtm", 1
    )


def test_the_limits_are_those_that_people_are_told() -> None:
    assert (MOST_DAYS, MOST_SPANS) == (90, 5_000)


def test_a_short_log_is_shown_whole() -> None:
    spans = [span(CUT, CUT + 5), span(CUT + 5, NOW, open=True)]
    assert window(spans, now_ms=NOW, zone=ZONE) == Window(tuple(spans))
    assert window([], now_ms=NOW, zone=ZONE) == Window(())


def test_older_spans_go_and_the_one_that_reaches_in_stays() -> None:
    old, across, new = span(CUT - 9, CUT), span(CUT - 3, CUT + 1), span(CUT + 1, NOW)
    assert window([old, across, new], now_ms=NOW, zone=ZONE) == Window((across, new), CUT)
    assert window([old, across, new], now_ms=NOW, zone=ZONE, all=True) == Window((old, across, new))
    assert first_day(NOW, ZONE, 90) == CUT


def test_whoever_left_out_older_spans_says_so() -> None:
    assert window([span(CUT, NOW)], now_ms=NOW, zone=ZONE, older=True) == Window((span(CUT, NOW),), CUT)


def test_of_too_many_spans_the_newest_of_all_bots_stay() -> None:
    spans = [span(NOW - 100 + 10 * at, NOW - 90 + 10 * at, "ab"[at % 2]) for at in range(10)]
    cut = window(spans, now_ms=NOW, zone=ZONE, most_spans=3)
    assert cut == Window(tuple(spans[7:]), NOW - 30)
    assert window(spans, now_ms=NOW, zone=ZONE, most_spans=10) == Window(tuple(spans))


def test_an_open_span_reaches_to_its_heartbeat() -> None:
    assert shown_end(span(1, 7, open=True)) == 7
    assert window([span(CUT - 9, CUT - 5, open=True)], now_ms=NOW, zone=ZONE) == Window((), CUT)
