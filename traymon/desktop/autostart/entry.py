"""Desktop entries, as in freedesktop.org's Desktop Entry Specification 1.5: read, written, and their commands quoted.

Also for the application's own entry in the menu, which differs in its command alone.
"""

import re
from collections.abc import Mapping, Sequence

from traymon import words

GROUP = "[Desktop Entry]"

# "The Exec key": an argument with one of these must be quoted …
_RESERVED = frozenset(" \t\n\"'\\><~|&;$*?#()`")
# … and within the quotes these need a backslash before them.
_ESCAPED = frozenset('"`$\\')
# "Possible value types": the escapes of every string, undone before anything else is.
_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


class EntryError(ValueError):
    """Not a desktop entry, or a command that none can hold. The message says what is wrong, as a part of a sentence."""


def desktop_entry(command: Sequence[str], *, comment: str, more: Mapping[str, str] | None = None) -> str:
    """The text of an entry that starts ``command``; ``more`` are further keys, as they are to be written.

    Raises :class:`EntryError` for a command that cannot stand in one.
    """
    keys = {
        "Type": "Application",
        "Version": "1.0",
        "Name": "traymon",
        "Comment": escaped(comment),
        "Icon": "traymon",
        "Exec": escaped(quoted(command)),
        "TryExec": escaped(command[0]),
        "Terminal": "false",
        "StartupNotify": "false",
        "Categories": "Network;Monitor;",
        **(more or {}),
    }
    return "\n".join([GROUP, *(f"{key}={value}" for key, value in keys.items())]) + "\n"


def read_entry(text: str) -> dict[str, str]:
    """The keys of the group ``[Desktop Entry]``, values as written. Raises :class:`EntryError`."""
    lines = iter(text.split("\n"))
    for line in lines:
        if line.strip() == GROUP:
            break
    else:
        raise EntryError(f"without {GROUP}")
    keys: dict[str, str] = {}
    for line in lines:
        if line.startswith("["):
            break
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            keys[key.strip()] = value.strip()
    return keys


def without_keys(text: str, keys: Sequence[str]) -> str:
    """``text`` without the lines of ``keys`` in its first group; everything else stays as it is, to the letter."""
    kept = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("["):
            inside = line.strip() == GROUP
        if not (inside and line.partition("=")[0].strip() in keys):
            kept.append(line)
    return "\n".join(kept)


def is_true(value: str | None) -> bool:
    """A boolean key; GLib takes ``1`` as well."""
    return value in ("true", "1")


def is_false(value: str | None) -> bool:
    """A boolean key that is there and false."""
    return value in ("false", "0")


def listed(value: str) -> list[str]:
    """A key of several strings."""
    return [unescaped(each) for each in re.split(r"(?<!\\);", value) if each]


def shown_in(keys: Mapping[str, str], current_desktop: str) -> bool:
    """Whether ``OnlyShowIn`` and ``NotShowIn`` let the entry count on this desktop (``XDG_CURRENT_DESKTOP``)."""
    only, never = listed(keys.get("OnlyShowIn", "")), listed(keys.get("NotShowIn", ""))
    for name in filter(None, current_desktop.split(":")):
        if name in only:
            return True
        if name in never:
            return False
    return "OnlyShowIn" not in keys


def escaped(text: str) -> str:
    """``text`` as the value of a string key. Raises :class:`EntryError` where it is not Unicode."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise EntryError(words.gettext("its path is not UTF-8")) from None
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f"\\s{text[1:]}" if text.startswith(" ") else text


def unescaped(value: str) -> str:
    """The text of a string key; an unknown escape stays as it is, as in GLib's lenient readers."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), value)


def quoted(command: Sequence[str]) -> str:
    """``command`` as the text of an ``Exec`` key, before :func:`escaped`. Raises :class:`EntryError`."""
    # "=": the specification. "%": GLib looks for the program before it undoes the doubling.
    if not command or "=" in command[0] or "%" in command[0]:
        raise EntryError(words.gettext("a path with “=” or “%” in it cannot be started from a desktop entry"))
    if any("\0" in argument for argument in command):
        raise EntryError(words.gettext("it holds a NUL"))
    return " ".join(_quoted(argument) for argument in command)


def _quoted(argument: str) -> str:
    argument = argument.replace("%", "%%")  # else it begins a field code
    if argument and not _RESERVED.intersection(argument) and argument.isprintable():
        return argument
    return '"' + "".join(f"\\{char}" if char in _ESCAPED else char for char in argument) + '"'


def split_exec(text: str) -> list[str]:
    """The command in an ``Exec`` key, after :func:`unescaped`. Raises :class:`EntryError`.

    Field codes (``%f``, ``%U`` …) are left out, as nothing is opened at a start from the menu or at login.
    """
    return [
        argument
        for argument, is_quoted in _words(text)
        if is_quoted or argument  # a bare field code leaves nothing
    ]


def _words(text: str) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    word, started, was_quoted = "", False, False
    position = 0
    while position < len(text):
        char = text[position]
        if char == '"':
            end, inner = _quotation(text, position + 1)
            word, started, was_quoted, position = word + inner, True, True, end
        elif char in " \t\n":
            if started:
                found.append((_expanded(word), was_quoted))
            word, started, was_quoted = "", False, False
        else:
            word, started = word + char, True
        position += 1
    if started:
        found.append((_expanded(word), was_quoted))
    return found


def _quotation(text: str, start: int) -> tuple[int, str]:
    """Where the quotation that begins at ``start`` ends, and what it holds."""
    inner = ""
    position = start
    while position < len(text):
        char = text[position]
        if char == '"':
            return position, inner
        if char == "\\" and text[position + 1 : position + 2] in _ESCAPED:
            position += 1
            char = text[position]
        inner += char
        position += 1
    raise EntryError(words.gettext("with a quotation that does not end"))


def _expanded(argument: str) -> str:
    return re.sub(r"%(.)", lambda code: "%" if code[1] == "%" else "", argument, flags=re.DOTALL)
