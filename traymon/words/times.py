"""Times, lengths of time and numbers for people, as their language writes them.

Without the system's locales, which need not be installed: what differs from language to language is in the catalogue.
"""

import math
import sys
import time
from datetime import UTC, date, datetime

from traymon.words.language import gettext, mark

_WEEKDAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))


def duration(ms: int) -> str:
    """A length of time (milliseconds) for people: ``0.4s``, ``42s``, ``5m 03s``, ``15h 40m 02s``, ``3d 04h 10m``.

    Rounded down, so that nothing is said to have lasted longer than it did. A negative length is shown as ``0s``.
    """
    if ms < 1000:
        return gettext("{seconds}s").format(seconds=ms // 100 / 10 if ms >= 100 else 0)
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return gettext("{days}d {hours:02}h {minutes:02}m").format(days=days, hours=hours, minutes=minutes)
    if hours:
        return gettext("{hours}h {minutes:02}m {seconds:02}s").format(
            hours=hours, minutes=minutes, seconds=seconds
        )
    if minutes:
        return gettext("{minutes}m {seconds:02}s").format(minutes=minutes, seconds=seconds)
    return gettext("{seconds}s").format(seconds=seconds)


def local_time(wall_ms: float) -> datetime:
    """A moment (UTC milliseconds) in this machine's time zone as it is set now: people travel while traymon runs.

    Raises OverflowError, OSError or ValueError for a moment that no calendar holds.
    """
    if sys.platform != "win32":
        time.tzset()  # else the C library keeps the zone of the program's start (tzset(3)); some µs
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone()


def clock_time(wall_ms: int, *, now_ms: int | None = None) -> str:
    """A moment (UTC milliseconds) as local time, ``07:29:10``.

    With ``now_ms``, the date stands before it when it is not the local day of ``now_ms``. A moment that no calendar
    holds (a damaged log) is shown as ``?``.
    """
    try:
        moment = local_time(wall_ms)
        same_day = now_ms is None or moment.date() == local_time(now_ms).date()
    except (OverflowError, OSError, ValueError):
        return "?"
    clock = f"{moment:%H:%M:%S}"
    return clock if same_day else gettext("{date} {time}").format(date=_date(moment), time=clock)


def day(when: date, *, weekday: bool = False) -> str:
    """A day of the calendar: ``2016-12-20``, with ``weekday`` ``Tue 2016-12-20``."""
    if not weekday:
        return _date(when)
    return gettext("{weekday} {date}").format(weekday=gettext(_WEEKDAYS[when.weekday()]), date=_date(when))


def month(when: date) -> str:
    """The month of a day: ``2016-12``."""
    return gettext("{year:04}-{month:02}").format(year=when.year, month=when.month)


def number(count: int) -> str:
    """A whole number in groups of three: ``5,000``."""
    return gettext("{number:,}").format(number=count)


def percent(share: float, *, digits: int = 2) -> str:
    """A share of 0 to 1 as ``99.98%``, rounded down: 100 stands only for the whole."""
    # In steps of the last digit shown; the small addend takes back what binary fractions lack (0.29 × 100 is 28.99…).
    steps = math.floor(share * 100 * 10**digits + 1e-9)
    return gettext("{number}%").format(number=f"{min(steps, 100 * 10**digits) / 10**digits:.{digits}f}")


def _date(when: date) -> str:
    return gettext("{year:04}-{month:02}-{day:02}").format(year=when.year, month=when.month, day=when.day)
