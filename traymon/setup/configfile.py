"""``config.toml`` as set-up changes it: one bot's table, and every other character as it was, comments included.

A file with a fault is its owner's to mend first: then nothing is written over it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import ParseError

from traymon import words
from traymon.config import DEFAULT_API_URL, BotConfig, ConfigError, check_name, load, parse
from traymon.setup.files import write_private

Transport = Literal["rtm", "socket"]


@dataclass(frozen=True, slots=True)
class BotTable:
    """What set-up writes of a bot. ``None`` leaves a setting as it is; all else of the table stays too."""

    name: str
    transport: Transport
    token: str | None = None
    """Where the bot token is, as the configuration names it: ``keyring``, ``env:NAME`` or ``file:PATH``."""
    app_token: str | None = None
    """The same for the app-level token; with Socket Mode only."""
    api_url: str | None = None


def names(path: Path) -> list[str]:
    """The bots that the file at ``path`` has; none where there is no file. Raises ConfigError."""
    return [bot.name for bot in load(path, {}).bots]


def preview_bot(path: Path, bot: BotTable) -> BotConfig:
    """The bot as it will be read once :func:`set_bot` has written it. Nothing is written. Raises ConfigError."""
    return _changed(path, bot)[1]


def set_bot(path: Path, bot: BotTable) -> BotConfig:
    """Write ``bot`` into the file at ``path``, which is made where it is missing; the bot as it will be read.

    Raises ConfigError and OSError; then the file is as it was.
    """
    document, read = _changed(path, bot)
    _write(path, document)
    return read


def remove_bot(path: Path, name: str) -> bool:
    """Take the bot's table out of the file at ``path``; false where it has none. Raises ConfigError and OSError."""
    document = _read(path)
    bots = document.get("bots", {})
    if name not in bots:
        return False
    del bots[name]
    _write(path, document)
    return True


def _changed(path: Path, bot: BotTable) -> tuple[TOMLDocument, BotConfig]:
    check_name(bot.name)
    document = _read(path)
    bots = document.setdefault("bots", tomlkit.table(is_super_table=True))
    entry = bots.get(bot.name)
    if entry is None:
        entry = tomlkit.table()
        bots[bot.name] = entry
    entry["transport"] = bot.transport
    if bot.transport == "rtm" and "app_token" in entry:
        del entry["app_token"]
    if bot.transport == "socket" and entry.get("relay") is False:
        del entry["relay"]
    for setting in ("token", "app_token"):
        place = getattr(bot, setting)
        if place is not None:
            entry[setting] = place
    if bot.api_url is not None and bot.api_url != entry.get("api_url", DEFAULT_API_URL):
        entry["api_url"] = bot.api_url
    config = parse(tomlkit.dumps(document), path.parent)
    return document, next(read for read in config.bots if read.name == bot.name)


def _read(path: Path) -> TOMLDocument:
    """The configuration as a document that keeps its comments; an empty one where there is no file."""
    load(path, {})
    try:
        return tomlkit.parse(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return tomlkit.document()
    except ParseError as error:
        raise ConfigError(
            words.gettext("{file} is not valid TOML ({problem}): correct it first.").format(
                file=words.printable(str(path)), problem=words.printable(str(error))
            )
        ) from None


def _write(path: Path, document: TOMLDocument) -> None:
    # A link stays a link: people keep their configuration in another folder and link to it.
    write_private(path.resolve(), tomlkit.dumps(document))
