"""The language in use: gettext's catalogue, and how a sentence is marked for the translators."""

import gettext as _gettext

_translations: _gettext.NullTranslations = _gettext.NullTranslations()


def gettext(message: str) -> str:
    """``message`` in the language in use; English where no translation exists."""
    return _translations.gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """``one`` or ``many``, as the language in use has it for ``count``."""
    return _translations.ngettext(one, many, count)


def mark(message: str) -> str:
    """Mark a message in a table for the translators' tools; it is translated where it is used."""
    return message
