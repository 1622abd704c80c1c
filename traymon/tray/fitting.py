"""Making text fit: names into a menu, lines into a tooltip. Pure.

A width is counted in columns, as terminals and fixed fonts have it: an ideograph takes two, a combining mark none
(Unicode Standard Annex 11). Text is cut between characters as people see them, never inside one.
"""

import unicodedata
from collections.abc import Callable, Iterator

ELLIPSIS = "…"

_WIDE = frozenset("WF")
_JOINER = "\u200d"
# Marks that belong to the character before them: accents, enclosing marks, vowel signs, format characters.
_FOLLOWING = frozenset({"Mn", "Me", "Mc", "Cf"})
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def columns(text: str) -> int:
    """How wide ``text`` is, in columns."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def units(text: str) -> int:
    """How long ``text`` is for Windows, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def middle_cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` columns (at least 1), what is too much taken out of its middle: two long names
    often differ in their ends only.
    """
    if columns(text) <= most:
        return text
    characters = list(_characters(text))
    tail_most = (most - 1) // 2
    head = _taken(characters, most - 1 - tail_most, columns)
    tail = _taken(characters[len(head) :][::-1], tail_most, columns)[::-1]
    return "".join([*head, ELLIPSIS, *tail])


def end_cut(text: str, most: int, measure: Callable[[str], int] = columns) -> str:
    """``text`` in at most ``most`` (at least 1) of what ``measure`` counts, what is too much taken off its end."""
    if measure(text) <= most:
        return text
    return "".join(_taken(list(_characters(text)), most - 1, measure)) + ELLIPSIS


def lines_within(text: str, most: int, least: int = 20) -> str:
    """The first lines of ``text`` in at most ``most`` UTF-16 units. The first line, and a further one of which at
    least ``least`` units fit, is cut at its end; a line of which less would be left is dropped.
    """
    kept: list[str] = []
    left = most
    for line in text.split("\n"):
        if units(line) > left and (kept and left < least):
            break
        kept.append(end_cut(line, left, units))
        if kept[-1] != line:
            break
        left -= units(line) + 1
        if left < 1:
            break
    return "\n".join(kept)


def _characters(text: str) -> Iterator[str]:
    """``text`` in pieces that must stay whole."""
    piece = ""
    for char in text:
        if piece and not _follows(piece, char):
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def _follows(piece: str, char: str) -> bool:
    return piece[-1] == _JOINER or unicodedata.category(char) in _FOLLOWING or ord(char) in _SKIN_TONES


def _taken(characters: list[str], most: int, measure: Callable[[str], int]) -> list[str]:
    taken: list[str] = []
    for character in characters:
        most -= measure(character)
        if most < 0:
            break
        taken.append(character)
    return taken
