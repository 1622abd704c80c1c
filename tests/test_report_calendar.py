"""Local days, weeks and months, also where the clock is changed, and this machine's own zone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.report.calendar import LATEST_MS, Calendar, SystemZone
from traymon.report.model import DAY, MONTH, WEEK

HOUR = 3_600_000
BEFORE_ALL = datetime(1, 1, 1)  # noqa: DTZ001 - a local reading
ZONES = (
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Tokyo",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
)


def utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def day(zone: str, at: int) -> tuple[int, int]:
    return Calendar(ZoneInfo(zone)).period(DAY, at)


@pytest.mark.parametrize(
    ("zone", "noon", "begin", "hours"),
    [
        ("Europe/Berlin", utc(2017, 3, 26, 10), utc(2017, 3, 25, 23), 23),
        ("Europe/Berlin", utc(2016, 10, 30, 11), utc(2016, 10, 29, 22), 25),
        ("Europe/Berlin", utc(2016, 12, 24, 11), utc(2016, 12, 23, 23), 24),
        ("Asia/Tokyo", utc(2016, 12, 20, 3), utc(2016, 12, 19, 15), 24),
        ("America/Sao_Paulo", utc(2016, 10, 16, 14), utc(2016, 10, 16, 3), 23),  # it begins at 1 o'clock
        ("America/Sao_Paulo", utc(2017, 2, 18, 14), utc(2017, 2, 18, 2), 25),  # 23 o'clock came twice
        ("Australia/Lord_Howe", utc(2017, 4, 2, 1), utc(2017, 4, 1, 13), 24.5),
        ("Pacific/Apia", utc(2011, 12, 29, 22), utc(2011, 12, 29, 10), 24),
        ("Pacific/Apia", utc(2011, 12, 30, 22), utc(2011, 12, 30, 10), 24),  # the 31st: there was no 30th
    ],
)
def test_days_are_as_long_as_they_were(zone: str, noon: int, begin: int, hours: float) -> None:
    assert day(zone, noon) == (begin, begin + int(hours * HOUR))
    assert day(zone, begin) == day(zone, begin + int(hours * HOUR) - 1) == day(zone, noon)


def test_a_piece_of_yesterday_that_comes_again_belongs_to_today() -> None:
    # St. John's went back from 00:01 to 23:01 on 2009-11-01: a minute of that day, an hour of the last, then the rest.
    begin = utc(2009, 11, 1, 2, 30)
    assert day("America/St_Johns", begin) == day("America/St_Johns", begin + HOUR // 2)
    assert day("America/St_Johns", begin)[0] == begin
    assert day("America/St_Johns", begin)[1] - begin == 25 * HOUR


def test_a_change_that_begins_before_midnight_and_ends_after_it_leaves_no_hole() -> None:
    # Toronto went forward from 23:30 to 00:30 on 1919-03-30: there was no midnight.
    change = utc(1919, 3, 31, 4, 30)
    before, after = day("America/Toronto", change - 1), day("America/Toronto", change + HOUR)
    assert before[1] == after[0]
    assert day("America/Toronto", change) in (before, after)


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    calendar = Calendar(ZoneInfo("Asia/Tokyo"))
    at = utc(2016, 12, 20, 3)
    assert calendar.period(WEEK, at) == (utc(2016, 12, 18, 15), utc(2016, 12, 25, 15))
    assert calendar.period(MONTH, at) == (utc(2016, 11, 30, 15), utc(2016, 12, 31, 15))
    assert calendar.days_before(at, 89) == utc(2016, 9, 21, 15)
    assert calendar.days_before(at, 0) == utc(2016, 12, 19, 15)
    assert calendar.hour(at) == 12


@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 4_000_000_000_000) | st.integers(LATEST_MS - 10**12, LATEST_MS), min_size=1),
    st.sampled_from([DAY, WEEK, MONTH]),
)
def test_periods_tile_and_nest(zone: str, moments: list[int], kind: str) -> None:
    calendar = Calendar(ZoneInfo(zone))
    for at in moments:
        begin, end = calendar.period(kind, at)
        assert begin <= at < end
        assert calendar.period(kind, begin) == calendar.period(kind, end - 1) == (begin, end)
        assert calendar.period(kind, end)[0] == end
        first, _ = calendar.period(DAY, begin)
        assert first == begin
        assert Calendar(ZoneInfo(zone)).period(kind, at) == (begin, end)  # whatever was asked before


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's zone cannot be changed for one process")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def readings(zone: tzinfo, at: int) -> tuple[str, timedelta | None]:
    moment = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    return moment.replace(tzinfo=None).isoformat(), moment.utcoffset()


@pytest.mark.usefixtures("berlin")
def test_the_machines_zone_is_the_one_it_is_set_to() -> None:
    here, berlin = SystemZone(), ZoneInfo("Europe/Berlin")
    for begin in (utc(2016, 10, 28), utc(2017, 3, 24), utc(1980, 4, 5)):
        for at in range(begin, begin + 72 * HOUR, HOUR // 4):
            assert readings(here, at) == readings(berlin, at)
            for kind in (DAY, WEEK, MONTH):
                assert Calendar(here).period(kind, at) == Calendar(berlin).period(kind, at)
    assert str(here) == here.tzname(None) == "CET/CEST"
    assert here.utcoffset(None) == timedelta(hours=1)
    assert here.dst(None) is None


@pytest.mark.usefixtures("berlin")
def test_where_the_system_knows_no_offset_the_standard_one_is_taken() -> None:
    with pytest.raises(ValueError):
        BEFORE_ALL.timestamp()
    assert SystemZone().utcoffset(BEFORE_ALL) == timedelta(hours=1)
