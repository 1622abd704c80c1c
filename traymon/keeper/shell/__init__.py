"""Runs the pure core against real links, a real clock and the session log: one thread per bot."""

from traymon.keeper.shell.board import Board, Picture, Shown
from traymon.keeper.shell.keeper import Keeper

__all__ = ["Board", "Keeper", "Picture", "Shown"]
