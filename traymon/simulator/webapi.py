"""Slack's Web API methods, as far as bots in tests need them: arguments in, answer out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from traymon.simulator.bots import Bot
from traymon.simulator.files import StoredFile
from traymon.simulator.requests import Call
from traymon.slackwire import api

Arguments = Mapping[str, object]


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

    def posted(self, bot: Bot, event: Mapping[str, object]) -> None:
        """Tell a bot's links of a message that it posted itself."""

    def create_file(self, bot: Bot, name: str, length: int) -> StoredFile:
        """A file that is to be uploaded."""

    def find_file(self, file_id: str) -> StoredFile | None:
        """A file by its id."""

    def address(self, path: str) -> str:
        """An absolute URL of the simulator's."""


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
    if isinstance(thread := arguments.get("thread_ts"), str):
        message["thread_ts"] = thread
    world.posted(bot, {**message, "channel": channel, "event_ts": ts})
    return {"ok": True, "channel": channel, "ts": ts, "message": message}


def _api_test(_: World, __: Bot, arguments: Arguments) -> dict[str, object]:
    return {"ok": True, "args": {name: value for name, value in arguments.items() if isinstance(value, str)}}


def _users_info(_: World, bot: Bot, arguments: Arguments) -> dict[str, object]:
    user = arguments.get("user")
    if user != bot.user_id:
        return api.error_body("user_not_found")
    return {"ok": True, "user": {"id": user, "team_id": bot.team_id, "name": bot.name, "is_bot": True}}


def _done(_: World, __: Bot, ___: Arguments) -> dict[str, object]:
    return {"ok": True}


def _get_upload_url(world: World, bot: Bot, arguments: Arguments) -> dict[str, object]:
    name, length = arguments.get("filename"), str(arguments.get("length", ""))
    if not isinstance(name, str) or not name or not length.isdecimal():
        return api.error_body("invalid_arguments")
    file = world.create_file(bot, name, int(length))
    return {"ok": True, "upload_url": world.address(f"/upload/v1/{file.ticket}"), "file_id": file.file_id}


def _complete_upload(world: World, _: Bot, arguments: Arguments) -> dict[str, object]:
    wanted: Any = arguments.get("files", "")
    try:
        entries = json.loads(wanted) if isinstance(wanted, str) else wanted
        files = [world.find_file(entry["id"]) for entry in entries]
    except (ValueError, TypeError, KeyError):
        return api.error_body("invalid_arguments")
    done = [file for file in files if file is not None and file.size is not None]
    if len(done) < len(files) or not done:
        return api.error_body("file_not_found")
    for file in done:
        file.completed = True
    return {"ok": True, "files": [_file(world, file) for file in done]}


def _files_info(world: World, _: Bot, arguments: Arguments) -> dict[str, object]:
    file = world.find_file(str(arguments.get("file", "")))
    if file is None or not file.completed:
        return api.error_body("file_not_found")
    return {"ok": True, "file": _file(world, file)}


def _file(world: World, file: StoredFile) -> dict[str, object]:
    return {
        "id": file.file_id,
        "name": file.name,
        "title": file.name,
        "size": file.size,
        "url_private": world.address(file.path),
    }


@dataclass(frozen=True, slots=True)
class _Method:
    run: Callable[[World, Bot, Arguments], dict[str, object]]
    tier1: bool = False
    app_level: bool = False


METHODS = {
    "rtm.connect": _Method(_rtm_connect, tier1=True),
    "rtm.start": _Method(_rtm_connect, tier1=True),  # the same answer since 2022-09-27
    "apps.connections.open": _Method(_connections_open, tier1=True, app_level=True),
    "api.test": _Method(_api_test),
    "auth.test": _Method(_auth_test),
    "chat.postMessage": _Method(_post_message),
    "files.completeUploadExternal": _Method(_complete_upload),
    "files.getUploadURLExternal": _Method(_get_upload_url),
    "files.info": _Method(_files_info),
    "reactions.add": _Method(_done),
    "users.getPresence": _Method(_get_presence),
    "users.info": _Method(_users_info),
    "users.setPresence": _Method(_done),
}
