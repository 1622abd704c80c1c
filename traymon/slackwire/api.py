"""The answers of the Web API methods that traymon calls: readers for the client, builders for the simulator.

Readers take what the JSON decoder made of the answer, whatever it is, and raise :class:`WireError` with a short
reason when it cannot be what Slack meant. No reason quotes a value: an answer can hold a ticket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class WireError(ValueError):
    """An answer of the wrong shape; ``str()`` is the reason, without any of the answer's values."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The answer of ``rtm.connect``: where to connect, and who one is there."""

    url: str = field(repr=False)
    """``wss://…``; works once and for 30 s. It carries a ticket: as secret as the token."""
    self_id: str
    self_name: str
    team_id: str
    team_name: str
    team_domain: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The answer of ``auth.test``: whose token this is."""

    user_id: str
    user: str
    team_id: str
    team: str
    url: str
    """The workspace's address, ``https://name.slack.com/``."""
    bot_id: str
    """Empty for the token of a person."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The answer of ``users.getPresence``; all but ``active`` only when one asks about oneself."""

    active: bool
    manual_away: bool | None = None
    connection_count: int | None = None
    last_activity: int | None = None
    """Seconds since 1970, Slack's clock."""


def connect_answer(data: object) -> ConnectAnswer:
    """Read an answer of ``rtm.connect`` (or ``rtm.start``); raises :class:`WireError`."""
    answer = _answer(data)
    self_ = _part(answer, "self")
    # The link can be held without knowing the team or a display name, so those may be missing.
    team = answer.get("team")
    team = team if isinstance(team, Mapping) else {}
    return ConnectAnswer(
        url=_websocket_url(answer),
        self_id=_text(self_, "id", "self.id"),
        self_name=_text_or_empty(self_, "name"),
        team_id=_text_or_empty(team, "id"),
        team_name=_text_or_empty(team, "name"),
        team_domain=_text_or_empty(team, "domain"),
    )


def socket_url(data: object) -> str:
    """Read the URL in an answer of ``apps.connections.open``; raises :class:`WireError`."""
    return _websocket_url(_answer(data))


def identity(data: object) -> Identity:
    """Read an answer of ``auth.test``; raises :class:`WireError`."""
    answer = _answer(data)
    return Identity(
        user_id=_text(answer, "user_id", "user_id"),
        user=_text_or_empty(answer, "user"),
        team_id=_text(answer, "team_id", "team_id"),
        team=_text_or_empty(answer, "team"),
        url=_text_or_empty(answer, "url"),
        bot_id=_text_or_empty(answer, "bot_id"),
    )


def presence(data: object) -> Presence:
    """Read an answer of ``users.getPresence``; raises :class:`WireError`."""
    answer = _answer(data)
    manual_away = answer.get("manual_away")
    return Presence(
        active=_text(answer, "presence", "presence") == "active",
        manual_away=manual_away if isinstance(manual_away, bool) else None,
        connection_count=_number_or_none(answer, "connection_count"),
        last_activity=_number_or_none(answer, "last_activity"),
    )


def bot_app(data: object) -> str:
    """Read the id of the app whose bot an answer of ``bots.info`` is about; empty where it has none.

    Raises :class:`WireError`.
    """
    return _text_or_empty(_part(_answer(data), "bot"), "app_id")


def connect_body(
    url: str, self_id: str, self_name: str, team_id: str, team_name: str, team_domain: str
) -> dict[str, object]:
    """What Slack answers to ``rtm.connect``."""
    return {
        "ok": True,
        "url": url,
        "self": {"id": self_id, "name": self_name},
        "team": {"id": team_id, "name": team_name, "domain": team_domain},
    }


def socket_body(url: str) -> dict[str, object]:
    """What Slack answers to ``apps.connections.open``."""
    return {"ok": True, "url": url}


def identity_body(who: Identity) -> dict[str, object]:
    """What Slack answers to ``auth.test``."""
    body: dict[str, object] = {
        "ok": True,
        "url": who.url,
        "team": who.team,
        "user": who.user,
        "team_id": who.team_id,
        "user_id": who.user_id,
        "is_enterprise_install": False,
    }
    if who.bot_id:
        body["bot_id"] = who.bot_id
    return body


def presence_body(who: Presence) -> dict[str, object]:
    """What Slack answers to ``users.getPresence``; the extras only where they are known."""
    body: dict[str, object] = {"ok": True, "presence": "active" if who.active else "away"}
    if who.connection_count is not None:
        body |= {
            "online": who.connection_count > 0,
            "auto_away": False,
            "manual_away": bool(who.manual_away),
            "connection_count": who.connection_count,
        }
    if who.last_activity is not None:
        body["last_activity"] = who.last_activity
    return body


def error_body(code: str, **more: object) -> dict[str, object]:
    """What Slack answers when it says no: ``more`` is what some codes add (``needed``, ``provided`` …)."""
    return {"ok": False, "error": code, **more}


def _answer(data: object) -> Mapping[object, object]:
    if not isinstance(data, Mapping):
        raise WireError(f"the answer is {_kind(data)}, not an object")
    if data.get("ok") is not True:
        raise WireError('the answer lacks "ok": true')
    return data


def _part(data: Mapping[object, object], key: str) -> Mapping[object, object]:
    part = data.get(key)
    if not isinstance(part, Mapping):
        raise WireError(f"{key} is {_kind(part)}, not an object")
    return part


def _text(data: Mapping[object, object], key: str, name: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise WireError(f"{name} is {_kind(value)}, not text")
    if not value:
        raise WireError(f"{name} is empty")
    return value


def _text_or_empty(data: Mapping[object, object], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _number_or_none(data: Mapping[object, object], key: str) -> int | None:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _websocket_url(data: Mapping[object, object]) -> str:
    url = _text(data, "url", "url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Not chained: the library's message quotes the URL.
        raise WireError("url is no URL") from None
    if parts.scheme not in ("ws", "wss"):
        raise WireError("url is not ws:// or wss://")
    if not host:
        raise WireError("url names no host")
    if not url.isprintable() or " " in url:
        raise WireError("url has characters that no URL has")
    return url


def _kind(value: object) -> str:
    """The value's type as JSON calls it."""
    match value:
        case None:
            return "null or missing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str() | bytes():
            return "text"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return "of an unknown type"
