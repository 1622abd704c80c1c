"""``config.toml`` as set-up changes it: one bot's table, and every other character as it was, comments included.

A file with a fault is its owner's to mend first: then nothing is written over it.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from traymon import words
from traymon.config import DEFAULT_API_URL, BotConfig, ConfigError, check_name, load, parse
from traymon.desktop import files

Transport = Literal["rtm", "socket"]
Programs = Literal["rtm", "socket"]
"""What the bot's programs speak."""


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
    programs: Programs | None = None
    """With Socket Mode only: ``rtm`` makes traymon present RTM to them, ``socket`` takes that back."""


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
    text, read = _changed(path, bot)
    _write(path, text)
    return read


def remove_bot(path: Path, name: str) -> bool:
    """Take the bot's table out of the file at ``path``; false where it has none. Raises ConfigError and OSError."""
    before, text = _read(path)
    if all(bot.name != name for bot in before):
        return False
    document = _document(path, text)
    del document["bots"][name]
    text = tomlkit.dumps(document)
    _check_others(path, before, text, name)
    _write(path, text)
    return True


def _changed(path: Path, bot: BotTable) -> tuple[str, BotConfig]:
    """The file's text with the change, and the bot as it will be read."""
    check_name(bot.name)
    before, text = _read(path)
    document = _document(path, text)
    bots = document.get("bots", {})
    if bot.name in bots or isinstance(bots, InlineTable):
        if bot.name not in bots:
            bots[bot.name] = tomlkit.inline_table()
        _fill_in(bots[bot.name], bot)
        text = tomlkit.dumps(document)
    else:
        # Set apart by hand: tomlkit puts a new table in the midst of keys that are written with dots.
        entry = tomlkit.table()
        _fill_in(entry, bot)
        table = tomlkit.dumps({"bots": {bot.name: entry}})
        text = f"{text.rstrip()}\n\n{table}" if text.strip() else table
    after = _check_others(path, before, text, bot.name)
    return text, next(read for read in after if read.name == bot.name)


def _fill_in(entry: MutableMapping[str, Any], bot: BotTable) -> None:
    entry["transport"] = bot.transport
    if bot.transport == "rtm" and "app_token" in entry:
        del entry["app_token"]
    _fill_in_relay(entry, bot)
    for setting in ("token", "app_token"):
        place = getattr(bot, setting)
        if place is not None:
            entry[setting] = place
    if bot.api_url is not None and bot.api_url != entry.get("api_url", DEFAULT_API_URL):
        entry["api_url"] = bot.api_url


def _fill_in_relay(entry: MutableMapping[str, Any], bot: BotTable) -> None:
    """What a relay did so far stays, as far as it fits the transport."""
    relay = entry.get("relay")
    if bot.transport == "rtm":
        if relay == "rtm":  # the program of RTM goes on, now with what comes from Slack as it is
            entry["relay"] = True
    elif bot.programs == "rtm":
        entry["relay"] = "rtm"
    elif relay is False or (relay == "rtm" and bot.programs == "socket"):
        del entry["relay"]


def _read(path: Path) -> tuple[tuple[BotConfig, ...], str]:
    """The bots of the file at ``path``, and its text; empty where there is none."""
    bots = load(path, {}).bots
    try:
        return bots, path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return (), ""


def _document(path: Path, text: str) -> TOMLDocument:
    """``text`` as a document that keeps its comments."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:  # stricter than the reader of the configuration in some corner
        raise ConfigError(
            words.gettext("{file} is not valid TOML ({problem}): correct it first.").format(
                file=words.printable(str(path)), problem=words.printable(str(error))
            )
        ) from None


def _check_others(path: Path, before: tuple[BotConfig, ...], text: str, name: str) -> tuple[BotConfig, ...]:
    """The bots of ``text``. Raises ConfigError where any but the one called ``name`` is not as it was."""
    after = parse(text, path.parent).bots
    if [bot for bot in before if bot.name != name] != [bot for bot in after if bot.name != name]:
        raise ConfigError(
            words.gettext("{file} is written in a way that set-up cannot change: change it by hand.").format(
                file=words.printable(str(path))
            )
        )
    return after


def _write(path: Path, text: str) -> None:
    # A link stays a link: people keep their configuration in another folder and link to it.
    files.replace(path.resolve(), text.encode(), durable=True)
