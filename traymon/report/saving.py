"""The report as a file in the profile's state folder."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

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
    target = profile.report
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it 0600.
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=".report-", suffix=".html")
    try:
        # A lone surrogate is escaped before; whatever else UTF-8 lacks must not cost the page.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
        os.replace(draft, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    return target
