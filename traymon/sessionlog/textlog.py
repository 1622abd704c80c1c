"""The text log: a plain file that ``tail -f``, grep and an editor can read, one line an event.

It is a projection of the store. Each line ends with its event's number (``#1234``; ``#-`` where no store could number
it), so that the next start knows what is missing. A line without an end is torn and is dropped.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import SILENT_KINDS, NoteKind
from traymon.sessionlog.rows import MACHINE, Event
from traymon.sessionlog.schema import make_folder

MOST_BYTES = 5_000_000
"""Size at which the file is rotated: some 40,000 lines, which every editor still opens at once."""
KEPT_FILES = 3
"""``sessions.log.1`` (the newest) to ``.3``."""

_BLOCK = 65_536
_NUMBERED = re.compile(rb"  #(\d{1,18})\r?$")
_OPEN_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

# ------------------------------------------------------------------------------------------------ what a line says


def line(event: Event) -> str | None:
    """The event's line without its end, at local time with offset; ``None`` for kinds that have none."""
    if event.kind in SILENT_KINDS:
        return None
    number = "-" if event.id is None else event.id
    bot = "-" if event.bot == MACHINE else words.printable(event.bot)
    said = log_text(event)
    return f"{_local(event.at)}  {words.printable(event.kind):<5}  {bot}  {said}  #{number}"


def log_text(event: Event) -> str:
    """What happened, for people. Everything foreign in it is escaped."""
    match event.kind:
        case NoteKind.START:
            return _start(event)
        case NoteKind.STOP:
            return _stop(event)
        case NoteKind.HANDOVER:
            return _handover(event)
        case NoteKind.CLOCK:
            return _clock(event)
        case NoteKind.WARNING if "lost_entries" in event.facts:
            return words.gettext("{count} entries were lost while the log could not be written").format(
                count=words.printable(str(event.facts["lost_entries"]))
            )
        case NoteKind.WARNING if event.facts.get("about") == "presence":
            return words.no_presence(event.evidence.get("needed"))
        case NoteKind.WARNING if isinstance(connections := event.facts.get("connections"), int):
            return words.strange_links(connections)
        case NoteKind.WHY:
            return words.probes(event.facts) or _facts(event)
        case NoteKind.PROGRAM:
            return _program(event)
        case _ if event.cause is not None:
            return _explained(event)
        case _:
            return _PLAIN[event.kind]() if event.kind in _PLAIN else _facts(event)


_PLAIN: Mapping[str, Callable[[], str]] = {
    NoteKind.AWAY: lambda: words.gettext("Slack shows the bot as away"),
    NoteKind.ACTIVE: lambda: words.gettext("Slack shows the bot as active again"),
    NoteKind.PAUSE: lambda: words.gettext("paused until you resume it"),
    NoteKind.RESUME: lambda: words.gettext("resumed"),
    NoteKind.SLEEP: lambda: words.gettext("this machine goes to sleep"),
    NoteKind.WAKE: lambda: words.gettext("this machine is awake again"),
}


def _start(event: Event) -> str:
    parts = [words.gettext("online")]
    down = _milliseconds(event, "down_ms")
    if down is not None:
        parts = [words.gettext("online after {duration}").format(duration=words.duration(down))]
    attempts = _milliseconds(event, "attempts")
    if attempts is not None and attempts > 1:
        parts.append(words.gettext("{count} attempts").format(count=attempts))
    if event.facts.get("same_link"):
        parts.append(words.gettext("same link"))
    return words.gettext(", ").join(parts)


def _stop(event: Event) -> str:
    up = _milliseconds(event, "up_ms")
    if up is None:
        return _explained(event)
    lived = (
        words.gettext("after about {duration}")
        if event.facts.get("estimated")
        else words.gettext("after {duration}")
    )
    return f"{lived.format(duration=words.duration(up))}  {_explained(event)}"


def _handover(event: Event) -> str:
    reason = words.printable(str(event.facts.get("reason", "")))
    text = words.gettext("{reason}: the next link took over without a gap").format(reason=reason)
    lived = _milliseconds(event, "lived_ms")
    if lived is None:
        return text
    return f"{words.gettext('after {duration}').format(duration=words.duration(lived))}  {text}"


def _program(event: Event) -> str:
    """Who came to the relay, or left it."""
    name, lasted = words.printable(str(event.facts.get("program", ""))), _milliseconds(event, "lasted_ms")
    match event.facts.get("what"):
        case "none":
            return words.gettext("no program is attached yet")
        case "attached":
            return words.gettext("{program} is attached").format(program=name)
        case "detached" if lasted is not None:
            text = words.gettext("{program} left after {duration}")
            return text.format(program=name, duration=words.duration(lasted))
        case _:
            return _facts(event)


def _clock(event: Event) -> str:
    frozen, step = _milliseconds(event, "frozen_ms"), _milliseconds(event, "step_ms")
    if frozen is not None:
        return words.gettext("traymon stood still for {duration}").format(duration=words.duration(frozen))
    if step is None:
        return _facts(event)
    text = (
        words.gettext("the clock was set forward by {duration}")
        if step >= 0
        else words.gettext("the clock was set back by {duration}")
    )
    return text.format(duration=words.duration(abs(step)))


def _explained(event: Event) -> str:
    """``1006 abrupt_close: what that means``. 1006 is never sent (RFC 6455, 7.4.1): it stands for no close frame."""
    cause = event.cause or ""
    code = event.close_code
    if code is None and cause == Cause.ABRUPT_CLOSE:
        code = 1006
    said = words.cause(cause, detail=event.detail, close_code=event.close_code, evidence=event.evidence)
    named = f"{words.printable(cause)}: {said.rstrip('.。')}"
    return named if code is None else f"{code} {named}"


def _facts(event: Event) -> str:
    return words.printable(", ".join(f"{name}={value}" for name, value in event.facts.items()))


def _milliseconds(event: Event, fact: str) -> int | None:
    value = event.facts.get(fact)
    return int(value) if isinstance(value, int | float) else None


def _local(at: int) -> str:
    try:
        return words.local_time(at // 1000 * 1000).isoformat(sep=" ")
    except (OverflowError, OSError, ValueError):
        return f"?{at}"  # no calendar holds it: a damaged row must not end the log


# ------------------------------------------------------------------------------------------------------- the file


class TextLog:
    """The file itself. Every method may raise OSError; nothing is held open, so others may move or delete the file."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES, kept: int = KEPT_FILES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._kept = kept

    def there(self) -> bool:
        """Whether the file is there, or one that has its name and more, as rotation leaves it, by whomever."""
        try:
            return any(name.startswith(self.path.name) for name in os.listdir(self.path.parent))
        except FileNotFoundError:
            return False

    def last_number(self) -> int:
        """Drop a torn tail, then give the last numbered line's number, here or in a rotated file; 0: there is none."""
        self._drop_torn_tail()
        for path in (self.path, *map(self._rotated, range(1, self._kept + 1))):
            number = _last_number(path)
            if number is not None:
                return number
        return 0

    def append(self, text: str) -> None:
        """Append one line, whole or not at all, with one write."""
        data = f"{text}\n".encode("utf-8", "backslashreplace")
        make_folder(self.path.parent)
        self._rotate(len(data))
        file = os.open(self.path, _OPEN_FLAGS, 0o600)
        try:
            size = os.fstat(file).st_size
            written = 0
            try:
                written = os.write(file, data)
            finally:
                if written != len(data):
                    os.ftruncate(file, size)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written")
        finally:
            os.close(file)

    def _drop_torn_tail(self) -> None:
        try:
            file = self.path.open("r+b")
        except FileNotFoundError:
            return
        with file:
            end = file.seek(0, os.SEEK_END)
            keep = 0
            for start, block in _blocks_backwards(file, end):
                found = block.rfind(b"\n")
                if found >= 0:
                    keep = start + found + 1
                    break
            if keep != end:
                file.truncate(keep)

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _rotate(self, more: int) -> None:
        """Make room. Cut short anywhere, it leaves every kept file under one name, and a gap that the next one uses."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size == 0 or size + more <= self._most_bytes:
            return
        free = next((n for n in range(1, self._kept) if not self._rotated(n).exists()), self._kept)
        try:
            for number in range(free, 1, -1):
                self._rotated(number - 1).replace(self._rotated(number))
            self.path.replace(self._rotated(1))
        except PermissionError:
            return  # Windows: a viewer has one of them open. The file grows on; the next line tries again.


def _last_number(path: Path) -> int | None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        rest = b""
        for _, block in _blocks_backwards(file, file.seek(0, os.SEEK_END)):
            first, *lines = (block + rest).split(b"\n")
            for each in reversed(lines):
                found = _NUMBERED.search(each)
                if found:
                    return int(found[1])
            rest = first
        found = _NUMBERED.search(rest)
        return int(found[1]) if found else None


def _blocks_backwards(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) from the end to the beginning."""
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        yield start, file.read(end - start)
        end = start
