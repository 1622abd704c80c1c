"""Local days, weeks and months over UTC ms, exact across daylight saving, and the machine's own time zone."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo

from traymon.report.model import DAY, MONTH, WEEK

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - for arithmetic on local readings
_MS = timedelta(milliseconds=1)
_ONE_DAY = timedelta(days=1)

LATEST_MS = 250_000_000_000_000
"""The year 9892. What lies beyond it, or before 1970, no calendar here holds: a damaged row."""


class Calendar:
    """The local calendar of ``zone``. Not for several threads at once."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._last = {
            DAY: (0, 0),
            WEEK: (0, 0),
            MONTH: (0, 0),
        }  # most questions are about the period of the last one

    def period(self, kind: str, at: int) -> tuple[int, int]:
        """Begin and end (excluded) of the day, week or month in which ``at`` lies; all UTC ms.

        A period begins at the first instant of its first local date, and so ends where the next begins: where the
        clock goes back over midnight, the repeated piece of yesterday belongs to today.
        """
        begin, end = self._last[kind]
        if begin <= at < end:
            return begin, end
        first = _FIRST[kind](self._local(at).date())
        while (begin := self._begin(first)) > at:
            first = _FIRST[kind](first - _ONE_DAY)
        while (end := self._begin(following := _FOLLOWING[kind](first))) <= at:
            first, begin = following, end
        self._last[kind] = begin, end
        return begin, end

    def days_before(self, at: int, days: int) -> int:
        """The beginning (UTC ms) of the local day ``days`` days before that of ``at``."""
        return self._begin(self._local(self.period(DAY, at)[0]).date() - timedelta(days=days))

    def hour(self, at: int) -> int:
        """The local hour, 0 to 23."""
        return self._local(at).hour

    def _local(self, at: int) -> datetime:
        return (_EPOCH + at * _MS).astimezone(self._zone)

    def _begin(self, day: date) -> int:
        # PEP 495: of a midnight that comes twice the first is meant, one that is skipped is the instant of the skip.
        return (datetime(day.year, day.month, day.day, tzinfo=self._zone) - _EPOCH) // _MS


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


_FIRST: dict[str, Callable[[date], date]] = {DAY: lambda day: day, WEEK: _monday, MONTH: _first_of_month}
_FOLLOWING: dict[str, Callable[[date], date]] = {
    DAY: lambda first: first + _ONE_DAY,
    WEEK: lambda first: first + 7 * _ONE_DAY,
    MONTH: lambda first: _first_of_month(first + 31 * _ONE_DAY),
}


class SystemZone(tzinfo):
    """The time zone that this machine is set to, with all its changes of offset.

    The standard library has none: ``datetime.astimezone()`` gives the offset of one moment only, and the name that
    :mod:`zoneinfo` wants is not to be had on every system.
    """

    def fromutc(self, moment: datetime) -> datetime:
        """``moment``, which is UTC under this zone's label, as local time."""
        return _read_locally(moment.replace(tzinfo=None)).replace(tzinfo=self)

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """What local time is ahead of UTC at the local reading ``moment``; its ``fold`` is obeyed."""
        if moment is None:
            return timedelta(seconds=-time.timezone)
        naive = moment.replace(tzinfo=None)
        try:
            return naive.replace(fold=0) - _NAIVE_EPOCH - timedelta(seconds=naive.timestamp())
        except (OverflowError, OSError, ValueError):
            return timedelta(seconds=-time.timezone)  # Windows knows nothing before 1970

    def dst(self, moment: datetime | None) -> None:
        """Not told apart from other changes of offset."""

    def tzname(self, moment: datetime | None) -> str:
        """``JST``, or ``CET/CEST`` where there are two."""
        return str(self)

    def __str__(self) -> str:
        """The names that the system gives."""
        return "/".join(dict.fromkeys(time.tzname))


def _read_locally(utc: datetime) -> datetime:
    seconds = (utc - _NAIVE_EPOCH).total_seconds()
    try:
        return datetime.fromtimestamp(seconds)  # noqa: DTZ006 - the system's local time is what is asked for
    except (OverflowError, OSError, ValueError):  # pragma: no cover - Windows knows nothing before 1970
        return utc - timedelta(seconds=time.timezone)
