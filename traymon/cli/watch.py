"""``traymon status --watch``: the bots' states as they change, also while traymon ends and starts again."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

import click
import msgspec

from traymon import words
from traymon.cli import screen
from traymon.cli.asking import moment_ms, status_lines
from traymon.cli.output import leave_streams
from traymon.desktop.control import ControlError, Message, ask

LOOK_EACH_S = 1.0
_SAME_MS = 2_500
"""Two answers tell one moment in whole seconds, counted back from two readings of the clock."""


class _View(Protocol):
    """A way of showing what was found."""

    def show(self, answer: Message) -> None:
        """Show it, if it shows anything new. ``running`` is false, and ``fault`` says why, where nobody answered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def run(address: str, *, as_json: bool) -> None:
    """Show the states at the control socket ``address`` until Ctrl-C, SIGTERM or the end of a pipe's reader."""
    view: _View = _Json() if as_json else _Drawn() if screen.is_terminal() else _Told()
    try:
        # SIGTERM as well is to leave the terminal as it was.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with view:
            answer = _look(address)
            view.show(answer)
            while not screen.reader_left(LOOK_EACH_S):
                answer = _steady(_look(address), answer)
                view.show(answer)
    except (KeyboardInterrupt, BrokenPipeError):
        leave_streams()


def _look(address: str) -> Message:
    try:
        answer = ask(address, {"do": "status"})
    except ControlError as error:
        return _unanswered(str(error))
    if not answer.pop("ok", False):
        return _unanswered(str(answer.get("error", "")))
    return {**answer, "running": True}


def _unanswered(why: str) -> Message:
    return {"bots": [], "starting": [], "fault": why, "running": False}


def _steady(answer: Message, before: Message) -> Message:
    """``answer`` with the moments of the one ``before`` where they mean the same."""
    bots = {bot.get("name"): bot for bot in before.get("bots") or []}
    for bot in answer.get("bots") or []:
        for key in ("since", "next_try"):
            old, new = (moment_ms(each.get(key)) for each in (bots.get(bot.get("name"), {}), bot))
            if old is not None and new is not None and abs(new - old) < _SAME_MS:
                bot[key] = bots[bot.get("name")][key]
    return answer


class _Drawn:
    """In place, in a terminal."""

    def __init__(self) -> None:
        self._screen = screen.Screen()
        self._gone_at: int | None = None
        self._restored = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._restored.enter_context(self._screen)
        self._restored.enter_context(_stopped_by_the_shell(self._screen))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restored.close()

    def show(self, answer: Message) -> None:
        if answer["running"]:
            self._gone_at = None
            self._screen.draw(status_lines(answer, relative=True))
            return
        now_ms = time.time_ns() // 1_000_000
        self._gone_at = self._gone_at or now_ms
        waiting = words.gettext("Waiting for it since {time} ({length}).").format(
            time=words.clock_time(self._gone_at, now_ms=now_ms), length=words.duration(now_ms - self._gone_at)
        )
        self._screen.draw([words.printable(answer["fault"]), "  " + waiting])


@contextlib.contextmanager
def _stopped_by_the_shell(drawn: screen.Screen) -> Iterator[None]:
    """Ctrl-Z shows the shell as it was; after ``fg`` everything is drawn anew."""
    if sys.platform == "win32":
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        drawn.leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)
        drawn.enter_again()

    before = signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


class _Told(contextlib.AbstractContextManager["_Told", None]):
    """A line for each change, where no terminal can be drawn in."""

    def __init__(self) -> None:
        self._bots: dict[str, dict[str, Any]] = {}
        self._fault: str | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, answer: Message) -> None:
        bots = {str(bot.get("name")): bot for bot in answer.get("bots") or []}
        for name, bot in bots.items():
            before = self._bots.get(name, {})
            if any(before.get(key) != bot.get(key) for key in ("state", "cause", "since")):
                _tell(bot)
        fault = answer.get("fault")
        if fault is None and not bots and not answer.get("starting"):
            fault = words.gettext("No bot is configured: run traymon setup.")
        if fault is not None and fault != self._fault:
            click.echo(f"{_stamp(None)}  -  {words.printable(str(fault))}")
        self._fault = fault
        self._bots = bots


def _tell(bot: dict[str, Any]) -> None:
    parts = [str(bot.get("name")), words.state(str(bot.get("state"))), str(bot.get("explanation") or "")]
    told = "  ".join(words.printable(part) for part in parts if part)
    click.echo(f"{_stamp(moment_ms(bot.get('since')))}  {told}")


def _stamp(at_ms: int | None) -> str:
    """As in the text log; ``None``: now."""
    at_s = time.time() if at_ms is None else at_ms // 1000
    try:
        return datetime.fromtimestamp(int(at_s), UTC).astimezone().isoformat(sep=" ")
    except (OverflowError, OSError, ValueError):
        return "?"


class _Json(contextlib.AbstractContextManager["_Json", None]):
    """An object on one line for each change: what ``status --json`` prints, and whether traymon is ``running``."""

    def __init__(self) -> None:
        self._shown: Message | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, answer: Message) -> None:
        if answer != self._shown:
            self._shown = answer
            click.echo(screen.ascii_only(msgspec.json.encode(answer).decode()))
