"""What comes from outside, made harmless: for terminals, one line each."""

import contextlib
import unicodedata
from collections.abc import Callable
from typing import TextIO

# Cc: controls, C0 and C1. Cf: formats, the bidirectional overrides among them. Cs: lone surrogates, which cannot be
# encoded. Zl, Zp: separators that some programs take for a new line. The two joiners are part of written words.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str) -> str:
    """``text`` with every character escaped that could act on a terminal, hide, reorder or break a line.

    Escapes look as in Python: ``\\x1b``, ``\\u202e``, ``\\n``. Applying it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char not in _JOINERS and unicodedata.category(char) in _UNPRINTABLE:
        return char.encode("unicode_escape").decode("ascii")
    return char


def to_terminal(stream: TextIO | None) -> Callable[[str], None]:
    """What writes a sentence to ``stream`` (``None``: a program without a terminal has none), escaped, as one line.

    A stream that was closed or cannot be written is no reason to end: the sentence is dropped. Any thread may call it.
    """

    def say(sentence: str) -> None:
        if stream is None:
            return
        # UnicodeEncodeError is a ValueError, as is writing to a closed file.
        with contextlib.suppress(OSError, ValueError):
            stream.write(f"traymon: {printable(sentence)}\n")
            stream.flush()

    return say


def as_markup(text: str) -> str:
    """``text`` for a place that reads markup: it is shown as it is. (``html.escape`` brings 2,000 named characters.)"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
