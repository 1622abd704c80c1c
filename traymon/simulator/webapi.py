"""Slack's Web API methods, as far as a bot's connection needs them: arguments in, answer out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from aiohttp import web

from traymon.simulator.bots import Bot
from traymon.slackwire import api

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as read from HTTP."""

    method: str
    token: str = field(repr=False)
    arguments: Arguments
    error: str | None = None
    """The code that Slack gives to a request that it cannot read."""


class World(Protocol):
    """What a method may ask of the simulator; on the loop's thread."""

    def bot_of(self, token: str) -> Bot | None:
        """The bot that a token of either kind belongs to."""

    def url_for(self, bot: Bot, token: str, transport: Literal["rtm", "socket"]) -> str:
        """A fresh WebSocket URL."""

    def live_links(self, token: str) -> int:
        """How many links with that token were greeted and live."""

    def next_ts(self) -> str:
        """A new message's ``ts``."""

    def wall_ms(self) -> int:
        """UTC milliseconds."""

    def broadcast(self, token: str, event: Mapping[str, object]) -> int:
        """Send an event to all links of a token."""


async def read_call(request: web.BaseRequest, method: str) -> Call:
    """Read token and arguments as Slack does: query, form or JSON body; a JSON body's token does not count."""
    arguments: dict[str, object] = dict(request.query)
    error = None
    if request.method == "POST":
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.text() or "{}")
            except (ValueError, RecursionError, LookupError):
                body, error = {}, "invalid_json"
            if not isinstance(body, dict):
                body, error = {}, "json_not_object"
            body.pop("token", None)
            arguments |= body
        else:
            arguments |= dict(await request.post())
    form_token = arguments.pop("token", "")
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else form_token
    return Call(method, token if isinstance(token, str) else "", arguments, error)


def answer(world: World, call: Call, now: int) -> tuple[dict[str, object], int | None]:
    """Slack's answer, and the seconds of ``Retry-After`` when it is 429."""
    spec = METHODS.get(call.method)
    if spec is None:
        return api.error_body("unknown_method", req_method=call.method), None
    if call.error:
        return api.error_body(call.error), None
    if not call.token:
        return api.error_body("not_authed"), None
    bot = world.bot_of(call.token)
    if bot is None:
        return api.error_body("invalid_auth"), None
    if (call.token == bot.app_token) != spec.app_level:
        return api.error_body("not_allowed_token_type"), None
    if spec.tier1 and bot.tier1 is not None:
        retry_after = bot.tier1.take(now)
        if retry_after is not None:
            return api.error_body("ratelimited"), retry_after
    return spec.run(world, bot, call.arguments), None


def _rtm_connect(world: World, bot: Bot, _: Arguments) -> dict[str, object]:
    url = world.url_for(bot, bot.token, "rtm")
    return api.connect_body(url, bot.user_id, bot.name, bot.team_id, bot.team, bot.domain)


def _auth_test(_: World, bot: Bot, __: Arguments) -> dict[str, object]:
    return api.identity_body(bot.identity)


def _get_presence(world: World, bot: Bot, arguments: Arguments) -> dict[str, object]:
    if arguments.get("user", bot.user_id) != bot.user_id:
        return api.error_body("user_not_found")
    links = world.live_links(bot.token)
    return api.presence_body(
        api.Presence(
            active=links > 0 and not bot.manual_away,
            manual_away=bot.manual_away,
            connection_count=links,
            last_activity=world.wall_ms() // 1000,
        )
    )


def _connections_open(world: World, bot: Bot, _: Arguments) -> dict[str, object]:
    assert bot.app_token is not None, "only an app-level token gets here"
    return api.socket_body(world.url_for(bot, bot.app_token, "socket"))


def _post_message(world: World, bot: Bot, arguments: Arguments) -> dict[str, object]:
    channel, text = arguments.get("channel"), arguments.get("text")
    if not isinstance(channel, str) or not channel:
        return api.error_body("channel_not_found")
    if not isinstance(text, str) or not text:
        return api.error_body("no_text")
    ts = world.next_ts()
    message: dict[str, object] = {
        "type": "message",
        "user": bot.user_id,
        "bot_id": bot.bot_id,
        "text": text,
        "team": bot.team_id,
        "ts": ts,
    }
    # A bot's own post comes back to it over RTM.
    world.broadcast(bot.token, {**message, "channel": channel, "event_ts": ts})
    return {"ok": True, "channel": channel, "ts": ts, "message": message}


@dataclass(frozen=True, slots=True)
class _Method:
    run: Callable[[World, Bot, Arguments], dict[str, object]]
    tier1: bool = False
    app_level: bool = False


METHODS = {
    "rtm.connect": _Method(_rtm_connect, tier1=True),
    "rtm.start": _Method(_rtm_connect, tier1=True),  # the same answer since 2022-09-27
    "auth.test": _Method(_auth_test),
    "users.getPresence": _Method(_get_presence),
    "apps.connections.open": _Method(_connections_open, tier1=True, app_level=True),
    "chat.postMessage": _Method(_post_message),
}
