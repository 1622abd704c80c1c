"""The events of RTM, as Slack documents them (https://docs.slack.dev/reference/events, "Compatible APIs: RTM").

A closed list: RTM gets no new events any more. What Slack's Events API sends under one of these names has the shape
of the RTM event of that name; what it sends under any other name has no counterpart in RTM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Whether a bot gets the event through Socket Mode."""

    EVENTS_API = "events_api"
    """Slack sends it, if the app subscribes to it."""
    NOBODY = "nobody"
    """The Events API has no such event."""
    LINK = "link"
    """It is about a connection; traymon says it itself, or has no use for it."""


@dataclass(frozen=True, slots=True)
class RtmEvent:
    """One event of RTM.

    ``texts`` and ``objects`` are members, dotted where nested, without which it would be none: an event that lacks one
    is given to no program, which may take it for granted and crash.
    """

    source: Source = Source.EVENTS_API
    texts: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


_CHANNEL = RtmEvent(texts=("channel",))
_CHANNEL_OBJECT = RtmEvent(texts=("channel.id", "channel.name"))
_HISTORY = RtmEvent(texts=("latest", "ts"))
_USER_CHANNEL = RtmEvent(texts=("user", "channel"))
_USER_OBJECT = RtmEvent(texts=("user.id",))
_FILE = RtmEvent(texts=("file.id",))
_ITEM = RtmEvent(texts=("user",), objects=("item",))
_DND = RtmEvent(texts=("user",), objects=("dnd_status",))
_SUBTEAM = RtmEvent(texts=("subteam.id",))
_SUBTEAM_ID = RtmEvent(texts=("subteam_id",))
_BOT = RtmEvent(Source.NOBODY, texts=("bot.id",))
_NOBODY = RtmEvent(Source.NOBODY)
_LINK = RtmEvent(Source.LINK)

RTM_EVENTS: Mapping[str, RtmEvent] = {
    "accounts_changed": _NOBODY,
    "bot_added": _BOT,
    "bot_changed": _BOT,
    "channel_archive": _CHANNEL,
    "channel_created": _CHANNEL_OBJECT,
    "channel_deleted": _CHANNEL,
    "channel_history_changed": _HISTORY,
    "channel_joined": RtmEvent(Source.NOBODY, texts=("channel.id",)),
    "channel_left": _CHANNEL,
    "channel_marked": RtmEvent(Source.NOBODY, texts=("channel", "ts")),
    "channel_rename": _CHANNEL_OBJECT,
    "channel_unarchive": _CHANNEL,
    "commands_changed": _NOBODY,
    "dnd_updated": _DND,
    "dnd_updated_user": _DND,
    "email_domain_changed": RtmEvent(texts=("email_domain",)),
    "emoji_changed": RtmEvent(texts=("event_ts",)),
    "error": _LINK,
    "external_org_migration_finished": _NOBODY,
    "external_org_migration_started": _NOBODY,
    "file_change": _FILE,
    "file_comment_added": RtmEvent(Source.NOBODY, texts=("file.id",)),
    "file_comment_deleted": RtmEvent(texts=("file.id", "comment")),
    "file_comment_edited": RtmEvent(Source.NOBODY, texts=("file.id",)),
    "file_created": _FILE,
    "file_deleted": RtmEvent(texts=("file_id",)),
    "file_private": RtmEvent(Source.NOBODY, texts=("file",)),
    "file_public": _FILE,
    "file_shared": _FILE,
    "file_unshared": _FILE,
    "goodbye": _LINK,
    "group_archive": _CHANNEL,
    "group_close": _USER_CHANNEL,
    "group_deleted": _CHANNEL,
    "group_history_changed": _HISTORY,
    "group_joined": RtmEvent(Source.NOBODY, texts=("channel.id",)),
    "group_left": _CHANNEL,
    "group_marked": RtmEvent(Source.NOBODY, texts=("channel", "ts")),
    "group_open": _USER_CHANNEL,
    "group_rename": _CHANNEL_OBJECT,
    "group_unarchive": _CHANNEL,
    "hello": _LINK,
    "im_close": _USER_CHANNEL,
    "im_created": RtmEvent(texts=("user", "channel.id")),
    "im_history_changed": _HISTORY,
    "im_marked": RtmEvent(Source.NOBODY, texts=("channel", "ts")),
    "im_open": _USER_CHANNEL,
    "manual_presence_change": RtmEvent(Source.NOBODY, texts=("presence",)),
    "member_joined_channel": _USER_CHANNEL,
    "member_left_channel": _USER_CHANNEL,
    "message": RtmEvent(texts=("channel", "ts")),
    "mpim_close": RtmEvent(Source.NOBODY, texts=("user", "channel")),
    "mpim_history_changed": RtmEvent(Source.NOBODY, texts=("latest", "ts")),
    "mpim_joined": RtmEvent(Source.NOBODY, texts=("channel.id",)),
    "mpim_open": RtmEvent(Source.NOBODY, texts=("user", "channel")),
    "pin_added": RtmEvent(texts=("user", "channel_id"), objects=("item",)),
    "pin_removed": RtmEvent(texts=("user", "channel_id"), objects=("item",)),
    "pref_change": RtmEvent(Source.NOBODY, texts=("name",)),
    "presence_change": RtmEvent(Source.NOBODY, texts=("presence",)),
    "reaction_added": RtmEvent(texts=("user", "reaction"), objects=("item",)),
    "reaction_removed": RtmEvent(texts=("user", "reaction"), objects=("item",)),
    "reconnect_url": _LINK,
    "star_added": _ITEM,
    "star_removed": _ITEM,
    "subteam_created": _SUBTEAM,
    "subteam_members_changed": _SUBTEAM_ID,
    "subteam_self_added": _SUBTEAM_ID,
    "subteam_self_removed": _SUBTEAM_ID,
    "subteam_updated": _SUBTEAM,
    "team_domain_change": RtmEvent(texts=("domain",)),
    "team_join": _USER_OBJECT,
    "team_migration_started": _LINK,
    "team_plan_change": RtmEvent(Source.NOBODY, texts=("plan",)),
    "team_pref_change": RtmEvent(Source.NOBODY, texts=("name",)),
    "team_profile_change": RtmEvent(Source.NOBODY, objects=("profile",)),
    "team_profile_delete": RtmEvent(Source.NOBODY, objects=("profile",)),
    "team_profile_reorder": RtmEvent(Source.NOBODY, objects=("profile",)),
    "team_rename": RtmEvent(texts=("name",)),
    "user_change": _USER_OBJECT,
    "user_typing": RtmEvent(Source.NOBODY, texts=("user", "channel")),
}
"""All but ``pong`` and replies. A ``NOBODY`` that comes all the same passes: its name says that RTM has it."""

MESSAGE_NEEDS: Mapping[str, RtmEvent] = {
    "message_changed": RtmEvent(texts=("message.ts",)),
    "message_deleted": RtmEvent(texts=("deleted_ts",)),
    "message_replied": RtmEvent(texts=("message.ts",)),
}
"""What a message of that subtype needs besides. Other subtypes pass without: a program that does not know one shows
its text, says https://docs.slack.dev/reference/events/message."""

MESSAGE_TEXTS = ("subtype", "text", "user", "bot_id", "thread_ts")
"""What is a text in every message that has it at all: botkit 0.4.2 trims ``text`` whatever it is."""
