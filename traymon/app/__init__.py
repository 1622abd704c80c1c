"""The wiring of one process."""

from traymon.app.app import App, UnknownBotError
from traymon.app.running import run_app, run_to_end
from traymon.app.signals import ended_by_signals

__all__ = ["App", "UnknownBotError", "ended_by_signals", "run_app", "run_to_end"]
