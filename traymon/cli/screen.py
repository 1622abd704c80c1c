"""The terminal that a command prints to: colours, drawing in place, and noticing that the reader of a pipe left.

Colour only ever repeats what a word says. https://no-color.org is obeyed, and so is ``TERM=dumb``.
"""

import os
import re
import stat
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import click

from traymon import words

_NO_SIZE = os.terminal_size((80, 24))
"""Of a terminal that does not tell."""

_GOOD: Mapping[str, Any] = {"fg": "green"}
_BAD: Mapping[str, Any] = {"fg": "red"}
_WORST: Mapping[str, Any] = {"fg": "red", "bold": True}
_ODD: Mapping[str, Any] = {"fg": "yellow"}
_CALM: Mapping[str, Any] = {"fg": "magenta"}
_FAINT: Mapping[str, Any] = {"dim": True}

# By the names in the data. No blue: it cannot be read on many black terminals.
_STATES: Mapping[str, Mapping[str, Any]] = {
    "connecting": _ODD,
    "online": _GOOD,
    "away": _ODD,
    "offline": _BAD,
    "refused": _WORST,
    "paused": _CALM,
    "asleep": _CALM,
    "unknown": _FAINT,
}
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "start": _GOOD,
    "active": _GOOD,
    "handover": {"fg": "cyan"},
    "program": {"fg": "cyan"},
    "stop": _BAD,
    "fail": _BAD,
    "cause": _BAD,
    "refused": _WORST,
    "away": _ODD,
    "warning": _ODD,
    "clock": _ODD,
    "pause": _CALM,
    "resume": _CALM,
    "sleep": _CALM,
    "wake": _CALM,
}


def is_terminal() -> bool:
    """Whether standard output is a terminal that takes control sequences."""
    stream = sys.stdout
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour() -> bool:
    """Whether to print in colour. An empty ``NO_COLOR`` means nothing, as no-color.org has it."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def state(name: str) -> str:
    """What a state is called, in its colour where there are colours."""
    return styled(words.state(name), _STATES.get(name, {}))


def faint(text: str) -> str:
    """Text that matters less."""
    return styled(text, _FAINT)


def styled(text: str, how: Mapping[str, Any]) -> str:
    """``text`` as ``how`` (the arguments of :func:`click.style`) has it, where there are colours."""
    return click.style(text, **how) if how and has_colour() else text


_LOG_LINE = re.compile(r"(?P<at>\S+(?: \S+)?)  (?P<kind>[a-z_]+) *  (?P<rest>.*)  (?P<number>#(?:\d+|-))")


def log_line(text: str) -> str:
    """A line of the text log for a terminal: escaped, its kind in colour. One that is none stays as it is."""
    text = words.printable(text)
    found = _LOG_LINE.fullmatch(text) if has_colour() else None
    if found is None:
        return text
    kind = styled(f"{found['kind']:<5}", _KINDS.get(found["kind"], {}))
    return f"{faint(found['at'])}  {kind}  {found['rest']}  {faint(found['number'])}"


def ascii_only(text: str) -> str:
    """JSON text with everything beyond ASCII as ``\\uXXXX``: no control sequence gets to a terminal unescaped."""
    return re.sub(r"[^\n\x20-\x7e]", lambda found: _utf16(found[0]), text)


def _utf16(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


# Rows of a terminal

_COLOUR = re.compile(r"(\x1b\[[\d;]*m)")


def folded(line: str, width: int, hanging: int = 4) -> list[str]:
    """``line`` in rows of at most ``width`` columns, the later ones indented by ``hanging`` more; colours take none.

    Only a word that is wider than a row stands out of it. All but the colours must have passed
    :func:`traymon.words.printable`.
    """
    text = _COLOUR.sub("", line)
    indent = len(text) - len(text.lstrip(" "))
    rows = words.wrapped(text, width - indent)
    if len(rows) > 1:
        rows = words.wrapped(text, width - indent - hanging)
    rows = [" " * (indent + (hanging if number else 0)) + row for number, row in enumerate(rows)]
    return _coloured(rows, line)


def _coloured(rows: Sequence[str], line: str) -> list[str]:
    """``rows`` with the colours of ``line``: folding changes no character but spaces, so those count."""
    colours: dict[int, str] = {}
    at = 0
    for part in _COLOUR.split(line):
        if part.startswith("\x1b"):
            colours[at] = colours.get(at, "") + part
        else:
            at += len(re.sub(r"\s", "", part))
    end, at, shown = at, 0, []
    for row in rows:
        painted = ""
        for char in row:
            if not char.isspace():
                painted += colours.pop(at, "")
                at += 1
            painted += char
        shown.append(painted)
    shown[-1] += colours.pop(end, "")
    return shown


# The other screen, no cursor, and what is too wide is cut (xterm's control sequences: 1049, DECTCEM, DECAWM).
_OTHER_SCREEN = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_FIRST_SCREEN = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR, _CLEAR_ROW, _CLEAR_BELOW = "\x1b[H", "\x1b[2J", "\x1b[2K", "\x1b[J"


class Screen:
    """Lines drawn again and again in one place: the terminal's other screen, which resizing does not garble.

    At the end the terminal is as it was, and the last lines stand below what stood there.
    """

    def __init__(self) -> None:
        self._lines: Sequence[str] = ()
        self._drawn: tuple[os.terminal_size, list[str]] | None = None

    def __enter__(self) -> Self:
        _put(_OTHER_SCREEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        for line in self._lines:
            click.echo(line)

    def leave(self) -> None:
        """Show the first screen and the cursor again."""
        _put(_FIRST_SCREEN)

    def enter_again(self) -> None:
        """After :meth:`leave`: draw everything anew."""
        _put(_OTHER_SCREEN)
        self._drawn = None
        self.draw(self._lines)

    def draw(self, lines: Iterable[str]) -> None:
        """Show ``lines``, cut at the terminal's height; nothing is written where the same stands there already."""
        self._lines = tuple(lines)
        size = _size()
        rows = [row for line in self._lines for row in folded(line, size.columns)]
        if len(rows) > size.lines:
            rows = [*rows[: size.lines - 1], "…"]
        if (size, rows) == self._drawn:
            return
        clear = _CLEAR if self._drawn is None or self._drawn[0] != size else ""
        self._drawn = (size, rows)
        below = f"\x1b[{len(rows) + 1}H{_CLEAR_BELOW}" if len(rows) < size.lines else ""
        _put(clear + _HOME + "\n".join(_CLEAR_ROW + row for row in rows) + "\x1b[0m" + below)


def _put(text: str) -> None:
    click.echo(text, nl=False, color=True)
    sys.stdout.flush()


def _size() -> os.terminal_size:
    # Not shutil's: a COLUMNS that some shell exported would stand for every later size.
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return _NO_SIZE
    return size if size.columns > 0 and size.lines > 0 else _NO_SIZE


# Pipes


def reader_left(wait_s: float) -> bool:
    """Wait for ``wait_s`` seconds; whether the reader of standard output, a pipe, left meanwhile (then at once)."""
    if sys.platform != "win32" and _is_pipe():
        import select

        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # asks for nothing: errors are told anyway (poll(2))
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(wait_s * 1000))
    time.sleep(wait_s)
    return False


def _is_pipe() -> bool:
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
