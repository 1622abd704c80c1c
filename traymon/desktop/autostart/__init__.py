"""Start at login: whether traymon does, and turning that on and off, exactly and without touching what is not ours.

The entry that the system reads is the only truth: nothing is kept beside it. An entry is *ours* when it starts just
what this traymon would write (:mod:`command`). One that starts something else was changed by hand or belongs to another
installation: it is told of and left alone, unless the person says otherwise.
"""

import os
import sys

from traymon.desktop.autostart.base import Autostart, AutostartError, AutostartState, Kind
from traymon.desktop.autostart.command import login_command
from traymon.paths import Profile

__all__ = ["Autostart", "AutostartError", "AutostartState", "Kind", "system_autostart"]


def system_autostart(profile: Profile) -> Autostart:
    """This system's way to start ``profile`` at login. Raises :class:`AutostartError` where nothing can be started."""
    command = login_command(profile)
    if sys.platform == "win32":
        from traymon.desktop.autostart.windows import SystemRegistry, WindowsAutostart

        return WindowsAutostart(profile.name, command, SystemRegistry())
    if sys.platform == "darwin":
        from traymon.desktop.autostart.macos import MacAutostart

        return MacAutostart(profile.name, command, domain=f"gui/{os.getuid()}")
    from traymon.desktop.autostart.xdg import XdgAutostart

    return XdgAutostart(profile.name, command, os.environ)
