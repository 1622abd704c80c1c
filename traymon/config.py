"""The configuration: ``config.toml``, or the environment where there is none.

Every fault is one :class:`ConfigError`, whose message is one sentence that says where it is and what would be right.
No message ever repeats a value given for a token or a proxy: people paste secrets into the wrong place.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from traymon import words

TokenSource = str
"""``keyring``, ``env:NAME`` or ``file:PATH`` (absolute): where a token is, never the token itself."""

DEFAULT_API_URL = "https://slack.com/api/"
_ENVIRONMENT_BOT = "bot"
_LONGEST_NAME = 80
"""Characters of a bot's name: Slack's own limit for a bot's display name."""


class ConfigError(Exception):
    """The configuration cannot be used. The message is one sentence for a person."""


class BotConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One bot as configured; everything checked and made absolute.

    ``token`` is ``None`` only for a Socket Mode bot from the environment that has no bot token, and ``app_token`` only
    with RTM. A Socket Mode bot works without its bot token, unless it presents RTM: what cannot be read there is done
    without. ``relay`` says whether programs may ride on the link; ``"rtm"``, with Socket Mode only: those of RTM, too.
    """

    name: str
    transport: Literal["rtm", "socket"]
    token: TokenSource | None
    app_token: TokenSource | None = None
    api_url: str = DEFAULT_API_URL
    relay: bool | Literal["rtm"] = False
    proxy: str | None = None
    ca_file: Path | None = None

    def __repr__(self) -> str:
        """Without the proxy, whose address may hold a password."""
        return f"BotConfig({self.name!r}, {self.transport!r}, {self.api_url!r})"


class Config(msgspec.Struct, frozen=True):
    """All that is configured; the bots in the order of the file, none where there is neither file nor token.

    ``language`` is ``None`` where the system's locale decides; ``on_change`` a command and its arguments, or nothing.
    """

    bots: tuple[BotConfig, ...]
    language: str | None = None
    on_change: tuple[str, ...] = ()


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A ``[bots.NAME]`` table as people write it."""

    transport: Literal["rtm", "socket"] = "rtm"
    token: str = "keyring"  # noqa: S105 - where the token is
    app_token: str | None = None
    api_url: str = DEFAULT_API_URL
    relay: bool | Literal["rtm"] | None = None
    proxy: str | None = None
    ca_file: str | None = None


def load(path: Path, environ: Mapping[str, str], *, must_exist: bool = False) -> Config:
    """Read the configuration at ``path``; where there is no file, make a bot of the tokens in ``environ``.

    ``must_exist`` is for a file that a person named: then its absence is an error too. Raises :class:`ConfigError`.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(
                words.gettext("{file} does not exist: check the path, or make it with traymon setup.").format(
                    file=_shown(path)
                )
            ) from None
        return _from_environment(environ)
    except UnicodeDecodeError:
        raise ConfigError(
            words.gettext("{file} is not text in UTF-8: save it as UTF-8.").format(file=_shown(path))
        ) from None
    except OSError as error:
        raise ConfigError(
            words.gettext("{file} cannot be read ({problem}): check its path and permissions.").format(
                file=_shown(path), problem=error.strerror
            )
        ) from None
    try:
        return parse(text, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{_shown(path)}: {error}") from None


def parse(text: str, folder: Path) -> Config:
    """The configuration written in ``text``; relative paths in it start at ``folder``. Raises :class:`ConfigError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_toml_sentence(str(error), text)) from None
    except RecursionError:
        raise ConfigError(words.gettext("it is nested too deeply to be read.")) from None
    _check_keys(data, ["bots", "language", "on_change"], "")
    tables = data.get("bots", {})
    if not isinstance(tables, dict):
        raise ConfigError(
            words.gettext("“bots” must be tables: write [bots.NAME] above the settings of each bot.")
        )
    bots = tuple(_bot(name, table, folder) for name, table in tables.items())
    _refuse_shared_tokens(bots)
    return Config(bots, _language(data.get("language")), _command(data.get("on_change", [])))


def _language(value: object) -> str | None:
    if value is None:
        return None
    known = words.language_called(value) if isinstance(value, str) else None
    if known is None:
        raise ConfigError(
            words.gettext(
                "“language” must be one of {names}; without it, the system's language counts."
            ).format(names=words.gettext(", ").join(f'"{name}"' for name in words.languages()))
        )
    return known


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(part, str) for part in value) and (not value or value[0]):
        return tuple(value)
    raise ConfigError(
        words.gettext("“on_change” must be a list of a command and its arguments, such as {example}.").format(
            example='on_change = ["notify-send", "Slack"]'
        )
    )


def _from_environment(environ: Mapping[str, str]) -> Config:
    has_app, has_bot = bool(environ.get("SLACK_APP_TOKEN")), bool(environ.get("SLACK_BOT_TOKEN"))
    token = "env:SLACK_BOT_TOKEN" if has_bot else None
    if has_app:
        app_token = "env:SLACK_APP_TOKEN"  # noqa: S105 - where the token is
        bot = BotConfig(
            name=_ENVIRONMENT_BOT, transport="socket", token=token, app_token=app_token, relay=True
        )
    elif has_bot:
        bot = BotConfig(name=_ENVIRONMENT_BOT, transport="rtm", token=token)
    else:
        return Config(())
    return Config((bot,))


def _toml_sentence(error: str, text: str) -> str:
    """tomllib's message, plainer for the mistake that people make most: something written twice."""
    place = re.search(r"\(at line (\d+),[^()]*\)$", error)
    line = int(place[1]) if place else text.rstrip("\n").count("\n") + 1  # "(at end of document)"
    twice = re.match(r"Cannot declare \('bots', '(.*?)'\) twice", error)
    if twice:
        return words.gettext(
            "two bots are named “{bot}” (at line {line}): give each a name of its own."
        ).format(bot=words.printable(twice[1]), line=line)
    if error.startswith("Cannot overwrite a value"):
        return words.gettext("a setting is given twice (at line {line}): keep one of them.").format(line=line)
    return words.gettext("it is not valid TOML: {problem}.").format(problem=words.printable(error))


# ----------------------------------------------------------------------------------------------------- one bot's table


def _bot(name: str, table: object, folder: Path) -> BotConfig:
    check_name(name)
    where = f"bots.{name}"
    if not isinstance(table, dict):
        raise ConfigError(
            words.gettext("“{setting}” must be a table: write {heading} above its settings.").format(
                setting=where, heading=f"[{where}]"
            )
        )
    _check_keys(table, _Entry.__struct_fields__, f"[{where}]")
    try:
        entry = msgspec.convert(table, _Entry)
    except msgspec.ValidationError as error:
        raise ConfigError(_type_sentence(where, str(error))) from None
    is_socket = entry.transport == "socket"
    if entry.app_token is not None and not is_socket:
        raise ConfigError(
            words.gettext(
                '{setting} is for Socket Mode only: set transport = "socket", or remove it.'
            ).format(setting=f"{where}.app_token")
        )
    if entry.relay == "rtm" and not is_socket:
        raise ConfigError(
            words.gettext(
                '{setting} = "rtm" is for Socket Mode only: set transport = "socket", or relay = true, as this bot is '
                "connected by RTM itself."
            ).format(setting=f"{where}.relay")
        )
    if is_socket and entry.relay is False:
        raise ConfigError(
            words.gettext(
                "{setting} cannot be false with Socket Mode: traymon's link receives events that are meant for the "
                "bot's program, and only the relay can pass them on."
            ).format(setting=f"{where}.relay")
        )
    return BotConfig(
        name=name,
        transport=entry.transport,
        token=_source(entry.token, f"{where}.token", folder),
        app_token=_source(entry.app_token or "keyring", f"{where}.app_token", folder) if is_socket else None,
        api_url=check_api_url(entry.api_url, f"{where}.api_url"),
        relay="rtm" if entry.relay == "rtm" else is_socket or bool(entry.relay),
        proxy=None if entry.proxy is None else _checked_proxy(entry.proxy, f"{where}.proxy"),
        ca_file=None if entry.ca_file is None else _absolute(entry.ca_file, folder),
    )


def check_name(name: str) -> None:
    """Raise :class:`ConfigError` where ``name`` cannot be a bot's name."""
    shown = words.printable(name)
    if not name.strip():
        raise ConfigError(words.gettext("a bot's name is empty: write [bots.NAME]."))
    if shown != name:
        raise ConfigError(
            words.gettext("the bot's name “{bot}” holds characters that cannot be shown: use others.").format(
                bot=shown
            )
        )
    if name != name.strip():
        raise ConfigError(
            words.gettext("the bot's name “{bot}” begins or ends with a space: remove it.").format(bot=name)
        )
    if len(name) > _LONGEST_NAME:
        raise ConfigError(
            words.gettext("the bot's name “{bot}” is too long: at most {most} characters.").format(
                bot=f"{name[:20]}…", most=_LONGEST_NAME
            )
        )


def _check_keys(table: Mapping[str, object], known: Iterable[str], table_name: str) -> None:
    """``table_name`` is "" at the top."""
    known = list(known)
    for key in table:
        if key in known:
            continue
        import difflib  # only a mistake needs it

        near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
        raise ConfigError(
            _unknown(bool(table_name), bool(near)).format(
                setting=words.printable(key),
                table=table_name,
                near="".join(near),
                known=words.gettext(", ").join(known),
            )
        )


def _unknown(in_table: bool, guessed: bool) -> str:
    if in_table and guessed:
        return words.gettext("unknown setting “{setting}” in {table}: did you mean “{near}”?")
    if in_table:
        return words.gettext("unknown setting “{setting}” in {table}: known are {known}.")
    if guessed:
        return words.gettext("unknown setting “{setting}” at the top: did you mean “{near}”?")
    return words.gettext("unknown setting “{setting}” at the top: known are {known}.")


# By the name that msgspec has for the type expected.
_TYPES = {
    "str": words.mark('{setting} must be text in quotes ("…").'),
}
_RELAY = words.mark('{setting} must be true, false or "rtm".')


def _type_sentence(where: str, error: str) -> str:
    """msgspec's message in plain words. It names types and the setting, never the value that was given."""
    field = re.search(r"\$\.(\w+)", error)
    setting = f"{where}.{field[1]}" if field else where
    if setting == f"{where}.relay":
        return words.gettext(_RELAY).format(setting=setting)
    if "enum value" in error:
        return words.gettext('{setting} must be "rtm" or "socket".').format(setting=setting)
    expected = re.search(r"Expected `(\w+)", error)
    sentence = _TYPES.get(expected[1] if expected else "", words.mark("{setting} must be of another type."))
    return words.gettext(sentence).format(setting=setting)


def _source(source: str, setting: str, folder: Path) -> TokenSource:
    kind, _, rest = source.partition(":")
    if source == "keyring":
        return source
    if kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        return source
    if kind == "file" and rest and words.printable(rest) == rest:
        return f"file:{_absolute(rest, folder)}"
    if source.startswith(("xox", "xapp-")):
        raise ConfigError(
            words.gettext(
                "{setting} holds a token itself, which does not belong into this file: remove it and run traymon "
                "setup."
            ).format(setting=setting)
        )
    raise ConfigError(
        words.gettext('{setting} must be "keyring", "env:NAME" or "file:PATH".').format(setting=setting)
    )


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / Path(path).expanduser()))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return None
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    return parts if plain and parts.hostname else None


def check_api_url(url: str, setting: str = "api_url") -> str:
    """``url`` with a final slash, or :class:`ConfigError`: https, or http to this very machine."""
    parts = _split(url)
    if (
        parts is None
        or parts.scheme not in {"https", "http"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ConfigError(
            words.gettext("{setting} must be an address like {example}, without user name or query.").format(
                setting=setting, example=DEFAULT_API_URL
            )
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ConfigError(
            words.gettext("{setting} must begin with https://, because the token is sent there.").format(
                setting=setting
            )
        )
    return url if url.endswith("/") else url + "/"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_proxy(proxy: str, setting: str) -> str:
    parts = _split(proxy)
    if (
        parts is None
        or parts.scheme != "http"
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
    ):
        raise ConfigError(
            words.gettext(
                "{setting} must be an address like http://host:3128 (or http://user:password@host:3128); "
                "SOCKS, PAC, NTLM and Kerberos are not supported."
            ).format(setting=setting)
        )
    return proxy


def _refuse_shared_tokens(bots: Iterable[BotConfig]) -> None:
    """Two entries with one token would be two links of one bot, each logged as the other's trouble."""
    users: dict[str, str] = {}
    for bot in bots:
        for setting, source in (("token", bot.token), ("app_token", bot.app_token)):
            if source is None or source == "keyring":
                continue
            here = f"bots.{bot.name}.{setting}"
            first = users.setdefault(source, here)
            if first != here:
                raise ConfigError(
                    words.gettext(
                        "{first} and {second} are the same token ({source}): each needs its own."
                    ).format(first=first, second=here, source=source)
                )


def _shown(path: Path) -> str:
    return words.printable(str(path))


def as_json(config: Config) -> dict[str, Any]:
    """What ``config check`` shows: every setting as understood, a proxy without its password."""
    bots = []
    for bot in config.bots:
        fields = {name: getattr(bot, name) for name in bot.__struct_fields__}
        if bot.proxy is not None:
            parts = urlsplit(bot.proxy)
            fields["proxy"] = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        fields["ca_file"] = None if bot.ca_file is None else str(bot.ca_file)
        bots.append(fields)
    return {"bots": bots}
