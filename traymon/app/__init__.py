"""The wiring of one process. What the first icon does not need is imported when it is asked for."""

from typing import TYPE_CHECKING, Any

from traymon.app.running import run_app, run_to_end
from traymon.app.signals import ended_by_signals

if TYPE_CHECKING:
    from traymon.app.app import App, UnknownBotError

__all__ = ["App", "UnknownBotError", "ended_by_signals", "run_app", "run_to_end"]


def __getattr__(name: str) -> Any:
    if name not in ("App", "UnknownBotError"):
        raise AttributeError(name)
    from traymon.app import app

    return getattr(app, name)
