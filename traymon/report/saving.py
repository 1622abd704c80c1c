"""The report as a file in the profile's state folder."""

from collections.abc import Mapping
from pathlib import Path

from traymon.desktop import files
from traymon.paths import Profile
from traymon.report.calendar import SystemZone
from traymon.report.page import render
from traymon.report.store import read


def page(
    profile: Profile,
    now_ms: int | None = None,
    *,
    bot: str | None = None,
    all: bool = False,
    running: bool | None = None,
    workspaces: Mapping[str, str] | None = None,
) -> str:
    """The page of the profile's log at ``now_ms`` (UTC ms; by default now), in this machine's local time.

    The rest as in :func:`~traymon.report.store.read`. Raises LogUnreadableError.
    """
    zone = SystemZone()
    figures = read(
        profile.db, bot=bot, all=all, now_ms=now_ms, zone=zone, running=running, workspaces=workspaces
    )
    return render(figures, zone)


def write(
    profile: Profile,
    now_ms: int | None = None,
    *,
    bot: str | None = None,
    all: bool = False,
    running: bool | None = None,
    workspaces: Mapping[str, str] | None = None,
) -> Path:
    """Make the page anew and put it in the place of the last one; returns where it is. Arguments as in :func:`page`.

    Only the user can read it; a browser that loads it meanwhile gets the old page or the new one. Raises
    LogUnreadableError, OSError.
    """
    text = page(profile, now_ms, bot=bot, all=all, running=running, workspaces=workspaces)
    # A lone surrogate is escaped before; whatever else UTF-8 lacks must not cost the page.
    files.replace(profile.report, text.encode("utf-8", "backslashreplace"))
    return profile.report
