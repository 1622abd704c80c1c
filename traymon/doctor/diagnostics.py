"""What ``Copy diagnostics`` puts on the clipboard: Markdown for a public issue, which says nothing of whose it is.

In English whatever the language is: its reader is who mends traymon.
"""

import contextlib
import getpass
import os
import platform
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from traymon import __version__, words
from traymon.config import DEFAULT_API_URL, BotConfig, Config, ConfigError, load
from traymon.doctor.redacting import Redactor
from traymon.keeper.core.effects import NoteKind
from traymon.paths import Profile
from traymon.sessionlog.view import LogUnreadableError, LogView

LAST_DAYS = 7
LAST_LINES = 30
_TAIL_BYTES = 65_536
"""Of the text log: enough for its last lines, each of which has some 150 bytes, 2,000 at most where text is foreign."""
_DAY_MS = 86_400_000
_LOG_LINE = re.compile(r"(\S+ \S+  \S+ +)(.+?)(  .*)$")
"""Time and kind, bot, and the rest, as the text log writes them: two spaces apart. A bot is known by its place, too."""
_COUNTED = (NoteKind.STOP, NoteKind.FAIL, NoteKind.CAUSE, NoteKind.REFUSED)
_LIBRARIES = (
    "aiohttp",
    "click",
    "dbus-fast",
    "keyring",
    "msgspec",
    "pillow",
    "platformdirs",
    "pystray",
    "slack_sdk",
    "truststore",
    "websocket-client",
)


def diagnostics(profile: Profile, status: Mapping[str, Any], lines: Sequence[str]) -> str:
    """The Markdown. ``status`` is what the running traymon answers to ``status`` (empty where none runs); ``lines`` are
    the text log's last ones, as :func:`last_lines` gives them.

    Reads configuration and log; raises nothing for what is wrong with them, but says it.
    """
    config = _config(profile)
    redactor = _redactor(profile, config, status, lines)
    parts = [
        "## traymon diagnostics",
        *_versions(),
        *_running(status, redactor),
        # Not why: a wrong setting is repeated there as it was typed.
        *(["- Configuration: cannot be used"] if config is None else []),
        "",
        "### Bots",
        *_bots(status, config, redactor),
        "",
        f"### The last {LAST_DAYS} days",
        *_counts(profile, redactor),
        "",
        f"### The log's last {LAST_LINES} lines",
        *_block([_log_line(line, redactor) for line in lines[-LAST_LINES:]]),
    ]
    return "\n".join(parts) + "\n"


def last_lines(profile: Profile) -> list[str]:
    """The text log's last whole lines; none where it cannot be read."""
    with contextlib.suppress(OSError), profile.text_log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        found = file.read().decode("utf-8", "replace").split("\n")
        # The first may be torn where reading began inside the file, the last one while it is written.
        return found[1 if size > _TAIL_BYTES else 0 : -1][-LAST_LINES:]
    return []


# ------------------------------------------------------------------------------------------------------ what is hidden


def _redactor(
    profile: Profile, config: Config | None, status: Mapping[str, Any], lines: Sequence[str]
) -> Redactor:
    redactor = Redactor(Path.home())
    configured = config.bots if config is not None else ()
    shown = [bot for bot in status.get("bots") or [] if isinstance(bot, Mapping)]
    redactor.hide("bot", _texts(bot.get("name") for bot in shown))
    redactor.hide("bot", [bot.name for bot in configured])
    redactor.hide("bot", _texts(status.get("starting") or []))
    with contextlib.suppress(LogUnreadableError):
        redactor.hide("bot", sorted({span.bot for span in LogView(profile.db).spans()}))
    redactor.hide("bot", [found[2] for line in lines if (found := _LOG_LINE.match(line)) and found[2] != "-"])
    redactor.hide("team", _texts(bot.get("workspace") for bot in shown))
    redactor.hide("file", [str(profile.config_file)])
    redactor.hide("folder", [str(profile.state_dir), str(profile.log_dir), str(profile.runtime_dir)])
    for bot in configured:
        redactor.hide("file", [*_places(bot), str(bot.ca_file) if bot.ca_file else None])
        redactor.hide("host", [_host_of(bot.proxy), _host_of(bot.api_url)])
    redactor.hide("host", [_host_of(proxy) for proxy in getproxies().values()])
    redactor.hide("host", [socket.gethostname(), socket.gethostname().partition(".")[0]])
    with contextlib.suppress(OSError, KeyError, ImportError):
        redactor.hide("user", [getpass.getuser()])
    return redactor


def _texts(values: Any) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))


def _places(bot: BotConfig) -> Iterator[str]:
    for source in (bot.token, bot.app_token):
        kind, _, place = (source or "").partition(":")
        if kind in ("file", "env"):
            yield place


def _host_of(url: str | None) -> str | None:
    """``None`` for Slack's own, too, which are not hidden."""
    with contextlib.suppress(ValueError):
        host = urlsplit(url or "").hostname
        return None if host is None or host == "slack.com" else host
    return None


# -------------------------------------------------------------------------------------------------------- what is told


def _config(profile: Profile) -> Config | None:
    try:
        return load(profile.config_file, os.environ)
    except ConfigError:
        return None


def _versions() -> Iterator[str]:
    yield f"- traymon {__version__}, Python {platform.python_version()} ({platform.python_implementation()})"
    yield f"- System: {_system()}"
    environ = os.environ
    yield (
        f"- Desktop: {_code(environ.get('XDG_CURRENT_DESKTOP') or 'unknown')}, "
        f"session {_code(environ.get('XDG_SESSION_TYPE') or 'unknown')}, language {_code(words.language_in_use())}"
    )
    yield f"- Libraries: {', '.join(_libraries())}"


def _system() -> str:
    # Not platform.platform(): a kernel's own name may say whose machine it is.
    release = re.match(r"\d+(?:\.\d+)*", platform.release())
    parts = [platform.system(), release[0] if release else "", platform.machine()]
    with contextlib.suppress(OSError):
        parts.append(f"({platform.freedesktop_os_release()['PRETTY_NAME']})")
    return words.printable(" ".join(filter(None, parts)))


def _libraries() -> Iterator[str]:
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"


def _running(status: Mapping[str, Any], redactor: Redactor) -> Iterator[str]:
    if not status:
        yield "- traymon does not run"
        return
    yield f"- Tray: {_code(redactor.text(str(status.get('tray') or 'none')))}"
    if status.get("fault"):
        yield f"- Fault: {_code(redactor.text(str(status['fault'])))}"


def _bots(status: Mapping[str, Any], config: Config | None, redactor: Redactor) -> Iterator[str]:
    configured = {bot.name: bot for bot in config.bots} if config is not None else {}
    shown = {str(bot.get("name")): bot for bot in status.get("bots") or [] if isinstance(bot, Mapping)}
    for name in [*shown, *(name for name in configured if name not in shown)]:
        yield f"- {redactor.name(name)}: " + ", ".join(
            [*_state(shown.get(name), redactor), *_settings(configured.get(name))]
        )
    if not shown and not configured:
        yield "none"


def _state(bot: Mapping[str, Any] | None, redactor: Redactor) -> Iterator[str]:
    if bot is None:
        yield "not shown by a running traymon"
        return
    if isinstance(workspace := bot.get("workspace"), str):
        yield redactor.name(workspace)
    for key in ("transport", "state"):
        yield redactor.text(str(bot.get(key)))
    for key in ("since", "cause", "next_try"):
        if bot.get(key):
            yield f"{key} {redactor.text(str(bot[key]))}"
    if bot.get("logged") is False:
        yield "not logged yet"
    if bot.get("explanation"):
        yield _code(redactor.text(str(bot["explanation"])))


def _settings(bot: BotConfig | None) -> Iterator[str]:
    """What the configuration says, without a value that could name anybody."""
    if bot is None:
        yield "not in the configuration"
        return
    for which in ("token", "app_token"):
        source = getattr(bot, which)
        if source is not None:
            yield f"{which} in {source.partition(':')[0]}"
    yield "api_url the default" if bot.api_url == DEFAULT_API_URL else "api_url of its own"
    for setting in ("relay", "proxy", "ca_file"):
        if getattr(bot, setting):
            yield f"{setting} set"


def _counts(profile: Profile, redactor: Redactor) -> Iterator[str]:
    since = time.time_ns() // 1_000_000 - LAST_DAYS * _DAY_MS
    try:
        events = LogView(profile.db).events(since=since)
    except LogUnreadableError as error:
        yield f"- {_code(redactor.text(str(error)))}"
        return
    counts = Counter((event.kind, event.cause or "") for event in events if event.kind in _COUNTED)
    for (kind, cause), count in counts.most_common():
        yield f"- {kind} {redactor.text(cause)}: {count}"
    if not counts:
        yield "nothing"


def _log_line(line: str, redactor: Redactor) -> str:
    found = _LOG_LINE.match(line)
    if found is None or found[2] == "-":
        return redactor.text(line)
    return f"{found[1]}{redactor.name(found[2])}{redactor.text(found[3])}"


def _code(text: str) -> str:
    """Foreign text in a line: as code, so that nothing in it is taken for Markdown or a mention."""
    return f"`{text.replace('`', chr(39))}`"


def _block(lines: Sequence[str]) -> list[str]:
    """Lines as a block of code, fenced by more backticks than any of them holds."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *(lines or ["(empty)"]), fence]
