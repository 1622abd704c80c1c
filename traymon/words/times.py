"""Times and lengths of time for people."""

from datetime import UTC, datetime


def duration(ms: int) -> str:
    """A length of time (milliseconds) for people: ``0.4s``, ``42s``, ``5m 03s``, ``15h 40m 02s``, ``3d 04h 10m``.

    Rounded down, so that nothing is said to have lasted longer than it did. A negative length is shown as ``0s``.
    """
    if ms < 1000:
        return f"{ms // 100 / 10}s" if ms >= 100 else "0s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h {minutes:02}m"
    if hours:
        return f"{hours}h {minutes:02}m {seconds:02}s"
    if minutes:
        return f"{minutes}m {seconds:02}s"
    return f"{seconds}s"


def clock_time(wall_ms: int, *, now_ms: int | None = None) -> str:
    """A moment (UTC milliseconds) as local time, ``07:29:10``.

    With ``now_ms``, the date stands before it when it is not the local day of ``now_ms``. A moment that no calendar
    holds (a damaged log) is shown as ``?``.
    """
    try:
        moment = _local(wall_ms)
        same_day = now_ms is None or moment.date() == _local(now_ms).date()
    except (OverflowError, OSError, ValueError):
        return "?"
    return moment.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def _local(wall_ms: int) -> datetime:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone()
