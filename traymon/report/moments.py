"""Moments as the report shows them: in one time zone, which need not be this machine's."""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from traymon import words
from traymon.report.calendar import LATEST_MS, Calendar, SystemZone
from traymon.report.model import DAY

_UNKNOWN = "?"
_KEPT = 20_000
"""Twice the ends of the 5,000 spans of a page."""


class Moments:
    """Writes moments (UTC ms) in ``zone``; ``None`` is this machine's own. What no calendar holds is shown as ``?``."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        # One outage's begin is a session's end, and each is written in several ways.
        self.local = lru_cache(_KEPT)(self._local)
        """The moment in the zone; ``None`` where no calendar holds it (a damaged log)."""
        self.whole = lru_cache(_KEPT)(self._whole)
        """``2016-12-20 07:29:10``."""

    def _local(self, at: int) -> datetime | None:
        try:
            return datetime.fromtimestamp(at / 1000, UTC).astimezone(self._zone)
        except (OverflowError, OSError, ValueError):
            return None

    def _whole(self, at: int) -> str:
        moment = self.local(at)
        if moment is None:
            return _UNKNOWN
        return words.gettext("{date} {time}").format(date=words.day(moment), time=f"{moment:%H:%M:%S}")

    def time(self, at: int) -> str:
        """``07:29:10``."""
        moment = self.local(at)
        return _UNKNOWN if moment is None else f"{moment:%H:%M:%S}"

    def day(self, at: int, *, weekday: bool = False) -> str:
        """``2016-12-20``, with ``weekday`` ``Tue 2016-12-20``."""
        moment = self.local(at)
        return _UNKNOWN if moment is None else words.day(moment, weekday=weekday)

    def month(self, at: int) -> str:
        """``2016-12``."""
        moment = self.local(at)
        return _UNKNOWN if moment is None else words.month(moment)

    def iso(self, at: int) -> str:
        """For programs: ISO 8601 with offset; empty where no calendar holds it."""
        moment = self.local(at)
        return "" if moment is None else moment.isoformat(timespec="milliseconds")

    def midnights(self, since: int, until: int) -> list[int]:
        """The local midnights from ``since`` to ``until``, both included, in UTC ms: where each date begins."""
        if since < 0 or until > LATEST_MS:
            return []
        calendar = Calendar(self._zone or SystemZone())
        found = []
        begin, at = calendar.period(DAY, since)
        if begin == since:
            found.append(begin)
        while at <= until:
            found.append(at)
            _, at = calendar.period(DAY, at)
        return found
