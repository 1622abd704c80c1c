"""The language in use: gettext's catalogue, and how a sentence is marked for the translators.

English is in the code itself and needs no catalogue; every other language is a folder in ``traymon/locale``. One
process speaks one language: it is chosen once, at its start, before the first sentence.
"""

import gettext as _gettext
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module

SOURCE = "en"
"""The language of the code."""

_DOMAIN = "traymon"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "locale")

# What translates, and the language it speaks. Each is replaced as a whole and read once a call, so any thread may ask
# while another chooses; only choose() writes, which a process calls once, on its main thread.
_translations: _gettext.NullTranslations = _gettext.NullTranslations()
_language = SOURCE


def gettext(message: str) -> str:
    """``message`` in the language in use; English where no translation exists."""
    return _translations.gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """``one`` or ``many``, as the language in use has it for ``count``."""
    return _translations.ngettext(one, many, count)


def mark(message: str) -> str:
    """Mark a message in a table for the translators' tools; it is translated where it is used."""
    return message


def language_in_use() -> str:
    """The language in use, as a web page names it: ``en``, ``ja``."""
    return _language


def languages() -> tuple[str, ...]:
    """Every language that traymon speaks, English first."""
    return (SOURCE, *sorted(name for name in _folders() if os.path.exists(_catalogue(name))))


def language_called(name: str) -> str | None:
    """Which of :func:`languages` a locale's name means (``ja``, ``ja_JP.UTF-8``, ``ja-JP``); ``None``: none of them."""
    plain = name.partition(".")[0].partition("@")[0].replace("-", "_")
    if plain in {"C", "POSIX"}:
        return SOURCE
    spoken = {known.lower(): known for known in languages()}
    return spoken.get(plain.lower()) or spoken.get(plain.partition("_")[0].lower())


def choose(
    configured: str | None,
    environ: Mapping[str, str],
    *,
    system: Callable[[], Sequence[str]] | None = None,
) -> None:
    """Speak the ``configured`` language; where there is none, the first one known of those that the user wants.

    Those are in LANGUAGE, LC_ALL, LC_MESSAGES and LANG, as gettext has them, and where all are unset what ``system``
    names (by default Windows' and macOS's own setting). Where nothing fits, English. Raises nothing: a configured
    language that does not exist is an error of the configuration, told where that is read.
    """
    wanted = [configured] if configured else []
    wanted += _in_environment(environ) or (system or _system_languages)()
    _speak(next((known for name in wanted if (known := language_called(name))), SOURCE))


def translations(domain: str, language: str) -> _gettext.NullTranslations:
    """The catalogue of ``domain``; where there is none, or it is damaged, what leaves every message as it is."""
    if language == SOURCE:
        return _gettext.NullTranslations()
    try:
        with open(_catalogue(language, domain), "rb") as file:
            return _gettext.GNUTranslations(file)
    except Exception:  # noqa: BLE001 - of a torn file gettext raises struct, Unicode and other errors
        return _gettext.NullTranslations()


def _speak(language: str) -> None:
    global _translations, _language
    _translations = translations(_DOMAIN, language)
    _language = language


def _in_environment(environ: Mapping[str, str]) -> list[str]:
    """The languages wanted, best first, as GNU gettext reads them (its manual, 2.3 "Setting the Locale through
    Environment Variables"): LANGUAGE is a list and goes before the locale, but not where that is C, as in scripts."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    if locale in {"C", "POSIX"}:
        return [locale]
    return [*filter(None, environ.get("LANGUAGE", "").split(":")), *filter(None, [locale])]


def _folders() -> Iterator[str]:
    try:
        yield from os.listdir(_FOLDER)
    except OSError:
        return


def _catalogue(language: str, domain: str = _DOMAIN) -> str:
    return os.path.join(_FOLDER, language, "LC_MESSAGES", f"{domain}.mo")


def _system_languages() -> Sequence[str]:
    """What the user chose in the system's settings, best first; on Linux the environment says it all."""
    if sys.platform == "win32":
        import ctypes
        import locale

        return [locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")]
    if sys.platform == "darwin":
        try:
            # Of pyobjc, which pystray needs there. A program that Finder or launchd starts has no LANG.
            return list(map(str, import_module("Foundation").NSLocale.preferredLanguages()))
        except ImportError:
            return []
    return []
