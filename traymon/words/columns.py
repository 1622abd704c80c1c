"""Text in columns, as terminals have them: an ideograph takes two, a combining mark none (Unicode Annex 11). Pure."""

import re
import unicodedata
from collections.abc import Iterator

_WIDE = frozenset("WF")
_WITHOUT_WIDTH = frozenset({"Mn", "Me", "Cf"})
# No row begins with the former or ends with the latter (JIS X 4051, the two most visible rules).
_CLOSING = frozenset("、。，．：；？！）」』】〉》〕］｝…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.:;?!)]}”")
_OPENING = frozenset("（「『【〈《〔［｛([{“")


def columns(text: str) -> int:
    """How wide ``text`` is, in columns."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def padded(text: str, width: int) -> str:
    """``text`` with spaces after it, so that it takes ``width`` columns; unchanged where it takes more."""
    return text + " " * (width - columns(text))


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in rows of at most ``width`` columns, broken at spaces and between ideographs.

    Only a word that is wider than a row stands out of it.
    """
    rows: list[str] = []
    row = ""
    for piece in _pieces(text):
        if row and columns(row) + columns(piece.rstrip()) > width:
            rows.append(row.rstrip())
            row = ""
        row += piece if row else piece.lstrip()
    return [*rows, row.rstrip()]


def _columns_of(char: str) -> int:
    if unicodedata.category(char) in _WITHOUT_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def _pieces(text: str) -> Iterator[str]:
    """What no row may be broken within: words with the spaces after them, ideographs with their punctuation."""
    piece = ""
    for char in re.sub(r"\s+", " ", text):
        if piece and _may_part(piece[-1], char):
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def _may_part(before: str, after: str) -> bool:
    if after == " " or after in _CLOSING or before in _OPENING or not _columns_of(after):
        return False
    return before == " " or _columns_of(before) == 2 or _columns_of(after) == 2
