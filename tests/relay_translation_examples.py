"""Events as Slack documents them, and the fields that RTM documented in 2016: for the tests and the table in the docs.

``seen``: the example of https://docs.slack.dev/reference/events; else it is built from the definitions of the same
events in Slack's own @slack/types 2, whose fields are the Events API's. ``rtm_2016``: what
https://github.com/slackhq/slack-api-docs has under ``events/``; empty where the event is younger.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One event in the Events API."""

    event: dict[str, object]
    rtm_2016: tuple[str, ...] = ()
    seen: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """``message/channel_join`` for a message with a subtype."""
        kind, subtype = self.event["type"], self.event.get("subtype")
        return f"{kind}/{subtype}" if kind == "message" and subtype else str(kind)


def envelope(
    event: object, envelope_id: str = "e1", event_id: str | None = "Ev1", app: str = "A123ABC456"
) -> str:
    """An ``events_api`` envelope of Socket Mode, as https://docs.slack.dev/apis/events-api/using-socket-mode has it."""
    payload = {
        "token": "XXYYZZ",
        "team_id": "T123ABC456",
        "api_app_id": app,
        "event": event,
        "type": "event_callback",
        "authorizations": [
            {"team_id": "T123ABC456", "user_id": "U123ABC456", "is_bot": True, "is_enterprise_install": False}
        ],
        "event_time": 123456789,
    }
    if event_id is not None:
        payload["event_id"] = event_id
    return json.dumps(
        {
            "envelope_id": envelope_id,
            "type": "events_api",
            "accepts_response_payload": False,
            "payload": payload,
        }
    )


_ROOT = {
    "type": "message",
    "text": "This is the original message",
    "user": "U123ABC456",
    "ts": "1673464730.703009",
    "team": "T123ABC456",
    "thread_ts": "1673464730.703009",
    "reply_count": 1,
    "reply_users_count": 1,
    "latest_reply": "1673464745.620769",
    "reply_users": ["U123ABC456"],
    "is_locked": False,
}
_BLOCKS = [
    {
        "type": "rich_text",
        "block_id": "BVp",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "broadcasting this reply"}]}
        ],
    }
]
_CHANNEL = {
    "id": "C024BE91L",
    "is_channel": True,
    "name": "fun",
    "name_normalized": "fun",
    "created": 1360782804,
    "creator": "U024BE7LH",
    "is_shared": False,
    "is_org_shared": False,
    "context_team_id": "T123ABC456",
    "is_archived": False,
    "is_frozen": False,
    "is_general": False,
    "is_group": False,
    "is_private": False,
    "is_ext_shared": False,
    "is_im": False,
    "is_mpim": False,
    "is_pending_ext_shared": False,
}
_RENAMED = {
    "id": "C02ELGNBH",
    "name": "new_name",
    "name_normalized": "new_name",
    "created": 1360782804,
    "is_channel": True,
    "is_mpim": False,
}
_USER = {
    "id": "U024BE7LH",
    "team_id": "T123ABC456",
    "name": "cal",
    "deleted": False,
    "real_name": "Cal",
    "tz": "Asia/Tokyo",
    "tz_offset": 32400,
    "profile": {
        "real_name": "Cal",
        "display_name": "cal",
        "status_text": "",
        "team": "T123ABC456",
        "fields": None,
    },
    "is_admin": False,
    "is_bot": False,
    "updated": 1661000000,
    "locale": "en-US",
}
_SUBTEAM = {
    "id": "S0615G0KT",
    "team_id": "T060RNRCH",
    "is_usergroup": True,
    "is_subteam": True,
    "name": "Marketing Team",
    "description": "Marketing gurus, PR experts and product advocates.",
    "handle": "marketing-team",
    "is_external": False,
    "date_create": 1446746793,
    "date_update": 1446746793,
    "date_delete": 0,
    "auto_provision": False,
    "created_by": "U060RNRCZ",
    "updated_by": "U060RNRCZ",
    "prefs": {"channels": [], "groups": []},
    "users": ["U060RNRCZ"],
    "user_count": 1,
}
_SUBTEAM_2016 = tuple(
    f"subteam.{each}"
    for each in [
        "id",
        "team_id",
        "is_usergroup",
        "name",
        "description",
        "handle",
        "is_external",
        "date_create",
        "date_update",
        "date_delete",
        "auto_type",
        "created_by",
        "updated_by",
        "deleted_by",
        "prefs",
        "user_count",
    ]
)
_DND = {"dnd_enabled": True, "next_dnd_start_ts": 1450387800, "next_dnd_end_ts": 1450423800}
_DND_2016 = ("user", "dnd_status.dnd_enabled", "dnd_status.next_dnd_start_ts", "dnd_status.next_dnd_end_ts")
_PIN = {
    "user": "U123ABC456",
    "channel_id": "C02ELGNBH",
    "item": {"type": "message", "channel": "C02ELGNBH", "created_by": "U123ABC456", "created": 1360782804},
    "event_ts": "1360782804.083113",
}
_REACTION = {
    "user": "U123ABC456",
    "reaction": "thumbsup",
    "item_user": "U222222222",
    "item": {
        "type": "message",
        "channel": "C123ABC456",
        "ts": "1360782400.498405",
        "channel_type": "channel",
    },
    "event_ts": "1360782804.083113",
}
_FILE = {"file_id": "F2147483862", "file": {"id": "F2147483862"}}
_SHARED = {
    "channel_id": "D01315BHHSN",
    "file_id": "F2147483862",
    "user_id": "U0Z7K8SRH",
    "file": {"id": "F2147483862"},
    "event_ts": "1617804931.000300",
}
_HISTORY = {"latest": "1358877455.000010", "ts": "1361482916.000003", "event_ts": "1361482916.000004"}
_HISTORY_2016 = ("latest", "ts", "event_ts")
_TS = "1361482916.000004"
_SUBTYPE_2016 = ("subtype", "ts", "user", "text")


def _told(subtype: str, text: str, **more: object) -> dict[str, object]:
    """A message in which Slack tells what somebody did."""
    return {
        "type": "message",
        "subtype": subtype,
        "ts": "1614215651.001300",
        "user": "U123ABC456",
        "text": text,
        "channel": "C123ABC456",
        "event_ts": "1614215651.001300",
        "channel_type": "channel",
        **more,
    }


_FILE_NOTE = "RTM gives the file's id alone today, too; `files.info` has the rest"
_LEFT_NOTE = "RTM gives the channel's id alone today, too"
_SUBTEAM_NOTE = "not in RTM today either"

EXAMPLES = [
    Example(
        {
            "type": "message",
            "channel": "C123ABC456",
            "user": "U123ABC456",
            "text": "Hello world",
            "ts": "1355517523.000005",
            "channel_type": "channel",
        },
        ("channel", "user", "text", "ts"),
        seen=True,
    ),
    Example(
        {
            "type": "app_mention",
            "user": "U061F7AUR",
            "text": "<@U0LAN0Z89> is it everything a river should be?",
            "ts": "1515449522.000016",
            "channel": "C123ABC456",
            "event_ts": "1515449522000016",
        },
        seen=True,
        note="the `message` that it also is, once",
    ),
    Example(
        {
            "type": "message",
            "subtype": "bot_message",
            "ts": "1358877455.000010",
            "text": "Pushing is the answer",
            "bot_id": "BB12033",
            "username": "github",
            "icons": {},
            "channel": "C123ABC456",
            "channel_type": "channel",
            "event_ts": "1358877455.000010",
        },
        ("subtype", "ts", "text", "bot_id", "username", "icons"),
    ),
    Example(
        _told("channel_archive", "<@U123ABC456> archived the channel", team="T123ABC456"),
        (*_SUBTYPE_2016, "members"),
        note="`conversations.members` has them",
    ),
    Example(
        {
            "type": "message",
            "subtype": "channel_join",
            "ts": "1358877458.000011",
            "user": "U2147483828",
            "text": "<@U2147483828|cal> has joined the channel",
            "inviter": "U123456789",
            "channel": "C123ABC456",
        },
        (*_SUBTYPE_2016, "inviter"),
    ),
    Example(_told("channel_leave", "<@U123ABC456> has left the channel", team="T123ABC456"), _SUBTYPE_2016),
    Example(
        _told(
            "channel_name",
            '<@U123ABC456> has renamed the channel from "random" to "watercooler"',
            old_name="random",
            name="watercooler",
        ),
        (*_SUBTYPE_2016, "old_name", "name"),
    ),
    Example(_told("channel_posting_permissions", "changed channel posting permissions."), seen=True),
    Example(
        _told("channel_purpose", "<@U123ABC456> set the channel purpose: whatever", purpose="whatever"),
        (*_SUBTYPE_2016, "purpose"),
    ),
    Example(
        _told("channel_topic", "<@U123ABC456> set the channel topic: hello world", topic="hello world"),
        (*_SUBTYPE_2016, "topic"),
    ),
    Example(
        _told("channel_unarchive", "<@U123ABC456> un-archived the channel", team="T123ABC456"), _SUBTYPE_2016
    ),
    Example(_told("ekm_access_denied", "UREVOKEDU", user="UREVOKEDU")),
    Example(
        _told(
            "file_share",
            "look",
            files=[{"id": "F2147483862", "name": "7.png", "mimetype": "image/png"}],
            upload=True,
            display_as_bot=False,
        ),
        (*_SUBTYPE_2016, "file", "upload"),
        note="`files`, a list, as in RTM today",
    ),
    Example(_told("me_message", "is doing that thing"), ("subtype", "channel", "user", "text", "ts")),
    Example(
        {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": "C123ABC456",
            "ts": "1358878755.000001",
            "message": {
                "type": "message",
                "user": "U123ABC456",
                "text": "Hello, world!",
                "ts": "1355517523.000005",
                "edited": {"user": "U123ABC456", "ts": "1358878755.000001"},
            },
        },
        ("subtype", "hidden", "channel", "ts", "message"),
        seen=True,
    ),
    Example(
        {
            "type": "message",
            "subtype": "message_deleted",
            "hidden": True,
            "channel": "C123ABC456",
            "ts": "1358878755.000001",
            "deleted_ts": "1358878749.000002",
        },
        ("subtype", "hidden", "channel", "ts", "deleted_ts", "event_ts"),
        seen=True,
        note="not in Slack's example; its definition has it",
    ),
    Example(
        {
            "type": "message",
            "message": {
                "type": "message",
                "user": "U123ABC456",
                "text": "Was there was there was there what was there was there what was there was there.",
                "thread_ts": "1482960137.003543",
                "reply_count": 1,
                "replies": [{"user": "U2222222", "ts": "1483037603.017503"}],
                "ts": "1482960137.003543",
            },
            "subtype": "message_replied",
            "hidden": True,
            "channel": "C123ABC456",
            "event_ts": "1483037604.017506",
            "ts": "1483037604.017506",
        },
        seen=True,
        note="Socket Mode leaves its `subtype` out, by a defect that Slack documents; traymon puts it back",
    ),
    Example(
        {
            "type": "message",
            "subtype": "pinned_item",
            "user": "U123ABC456",
            "item_type": "F",
            "text": "<@U024BE7LH|cal> pinned their Image <https:...7.png|7.png> to this channel.",
            "item": {},
            "channel": "C123ABC456",
            "ts": "1360782804.083113",
        },
        ("subtype", "user", "item_type", "text", "item", "channel", "ts"),
        seen=True,
    ),
    Example(
        {
            "type": "message",
            "subtype": "thread_broadcast",
            "text": "broadcasting this reply",
            "user": "U123ABC456",
            "ts": "1673464745.620769",
            "thread_ts": "1673464730.703009",
            "root": _ROOT,
            "blocks": _BLOCKS,
            "client_msg_id": "123abc456-...",
            "channel": "C123ABC456",
            "event_ts": "1673464745.620769",
            "channel_type": "channel",
        },
        seen=True,
    ),
    Example(
        {"type": "channel_archive", "channel": "C024BE91L", "user": "U024BE7LH", "event_ts": _TS},
        ("channel", "user"),
    ),
    Example(
        {"type": "channel_created", "channel": _CHANNEL, "event_ts": _TS},
        ("channel.id", "channel.name", "channel.created", "channel.creator"),
    ),
    Example({"type": "channel_deleted", "channel": "C024BE91L"}, ("channel",)),
    Example({"type": "channel_history_changed", **_HISTORY}, _HISTORY_2016),
    Example(
        {"type": "channel_left", "channel": "C024BE91L", "actor_id": "U024BE7LH", "event_ts": _TS},
        ("channel.…",),
        note=_LEFT_NOTE,
    ),
    Example(
        {"type": "channel_rename", "channel": _RENAMED, "event_ts": _TS},
        ("channel.id", "channel.name", "channel.created"),
    ),
    Example(
        {"type": "channel_unarchive", "channel": "C024BE91L", "user": "U024BE7LH", "event_ts": _TS},
        ("channel", "user"),
    ),
    Example(
        {
            "type": "dnd_updated",
            "user": "U1234",
            "dnd_status": {
                **_DND,
                "snooze_enabled": True,
                "snooze_endtime": 1450373897,
                "snooze_remaining": 9,
            },
            "event_ts": _TS,
        },
        (*_DND_2016, "dnd_status.snooze_enabled", "dnd_status.snooze_endtime"),
    ),
    Example({"type": "dnd_updated_user", "user": "U1234", "dnd_status": _DND, "event_ts": _TS}, _DND_2016),
    Example(
        {"type": "email_domain_changed", "email_domain": "example.com", "event_ts": "1360782804.083113"},
        ("email_domain", "event_ts"),
    ),
    Example(
        {"type": "emoji_changed", "subtype": "remove", "names": ["picard_facepalm"], "event_ts": _TS},
        ("event_ts",),
        seen=True,
    ),
    Example({"type": "file_change", **_FILE}, ("file.…",), note=_FILE_NOTE),
    Example(
        {"type": "file_comment_deleted", "comment": "Fc67890", **_FILE},
        ("file.…", "comment"),
        note=_FILE_NOTE,
    ),
    Example({"type": "file_created", **_FILE}, ("file.…",), seen=True, note=_FILE_NOTE),
    Example(
        {"type": "file_deleted", "file_id": "F2147483862", "event_ts": _TS},
        ("file",),
        note="called `file_id` in RTM today, too",
    ),
    Example(
        {"type": "file_public", "user_id": "U0Z7K8SRH", "event_ts": _TS, **_FILE},
        ("file.…",),
        note=_FILE_NOTE,
    ),
    Example({"type": "file_shared", **_SHARED}, ("file.…",), seen=True, note=_FILE_NOTE),
    Example({"type": "file_unshared", **_SHARED}, ("file.…",), note=_FILE_NOTE),
    Example(
        {
            "type": "group_archive",
            "channel": "G024BE91L",
            "user": "U024BE7LH",
            "is_moved": 0,
            "event_ts": _TS,
        },
        ("channel",),
    ),
    Example({"type": "group_close", "user": "U024BE7LH", "channel": "G024BE91L"}, ("user", "channel")),
    Example(
        {
            "type": "group_deleted",
            "channel": "G024BE91L",
            "date_deleted": 1360782804,
            "actor_id": "U024BE7LH",
            "event_ts": _TS,
        }
    ),
    Example({"type": "group_history_changed", **_HISTORY}, _HISTORY_2016),
    Example(
        {"type": "group_left", "channel": "G024BE91L", "actor_id": "U024BE7LH", "event_ts": _TS},
        ("channel.…",),
        note=_LEFT_NOTE,
    ),
    Example({"type": "group_open", "user": "U024BE7LH", "channel": "G024BE91L"}, ("user", "channel")),
    Example(
        {"type": "group_rename", "channel": {**_RENAMED, "id": "G02ELGNBH"}, "event_ts": _TS},
        ("channel.id", "channel.name", "channel.created"),
    ),
    Example(
        {"type": "group_unarchive", "channel": "G024BE91L", "actor_id": "U024BE7LH", "event_ts": _TS},
        ("channel",),
    ),
    Example(
        {"type": "im_close", "user": "U024BE7LH", "channel": "D024BE91L", "event_ts": _TS},
        ("user", "channel"),
    ),
    Example(
        {"type": "im_created", "user": "U024BE7LH", "channel": {"id": "D024BE91L"}},
        ("user", "channel.…"),
        note="`conversations.info` has the rest of the channel",
    ),
    Example({"type": "im_history_changed", **_HISTORY}, _HISTORY_2016),
    Example(
        {"type": "im_open", "user": "U024BE7LH", "channel": "D024BE91L", "event_ts": _TS}, ("user", "channel")
    ),
    Example(
        {
            "type": "member_joined_channel",
            "user": "U123ABC456",
            "channel": "C123ABC456",
            "channel_type": "C",
            "team": "T123ABC456",
            "inviter": "U222222222",
            "event_ts": "1493335475.238488",
        }
    ),
    Example(
        {
            "type": "member_left_channel",
            "user": "U123ABC456",
            "channel": "C123ABC456",
            "channel_type": "C",
            "team": "T123ABC456",
            "event_ts": "1493335475.238488",
        }
    ),
    Example({"type": "pin_added", **_PIN}, ("user", "channel_id", "item", "event_ts"), seen=True),
    Example(
        {"type": "pin_removed", **_PIN, "has_pins": False},
        ("user", "channel_id", "item", "has_pins", "event_ts"),
    ),
    Example(
        {"type": "reaction_added", **_REACTION},
        ("user", "name", "item", "event_ts"),
        seen=True,
        note="called `reaction` in RTM today, too",
    ),
    Example(
        {"type": "reaction_removed", **_REACTION},
        ("user", "name", "item", "event_ts"),
        note="called `reaction` in RTM today, too",
    ),
    Example(
        {"type": "star_added", "user": "U024BE7LH", "item": {}, "event_ts": "1360782804.083113"},
        ("user", "item", "event_ts"),
    ),
    Example(
        {"type": "star_removed", "user": "U024BE7LH", "item": {}, "event_ts": "1360782804.083113"},
        ("user", "item", "event_ts"),
    ),
    Example(
        {"type": "subteam_created", "subteam": _SUBTEAM, "event_ts": _TS}, _SUBTEAM_2016, note=_SUBTEAM_NOTE
    ),
    Example(
        {
            "type": "subteam_members_changed",
            "subteam_id": "S0615G0KT",
            "team_id": "T060RNRCH",
            "date_previous_update": 1446670362,
            "date_update": 1624473600,
            "added_users": ["U060RNRCZ"],
            "added_users_count": 1,
            "removed_users": [],
            "removed_users_count": 0,
            "event_ts": _TS,
        }
    ),
    Example({"type": "subteam_self_added", "subteam_id": "S0615G0KT", "event_ts": _TS}, ("subteam_id",)),
    Example({"type": "subteam_self_removed", "subteam_id": "S0615G0KT", "event_ts": _TS}, ("subteam_id",)),
    Example(
        {"type": "subteam_updated", "subteam": _SUBTEAM, "event_ts": _TS}, _SUBTEAM_2016, note=_SUBTEAM_NOTE
    ),
    Example({"type": "team_domain_change", "url": "https://my.slack.com", "domain": "my"}, ("url", "domain")),
    Example({"type": "team_join", "user": _USER, "cache_ts": 1661000000, "event_ts": _TS}, ("user.…",)),
    Example({"type": "team_rename", "name": "New Team Name Inc."}, ("name",)),
    Example({"type": "user_change", "user": _USER, "cache_ts": 1661000000, "event_ts": _TS}, ("user.…",)),
]

OTHERS = [
    *(
        Example({**_REACTION, "type": "reaction_added", "item": item}, seen=True)
        for item in (
            {"type": "file", "file": "F123ABC456"},
            {"type": "file_comment", "file_comment": "Fc123ABC456", "file": "F123ABC456"},
        )
    ),
    Example(
        {
            "type": "emoji_changed",
            "subtype": "add",
            "name": "picard_facepalm",
            "value": "https://my.slack.com/emoji/picard_facepalm/db8e287430eaa459.gif",
            "event_ts": _TS,
        },
        seen=True,
    ),
]
"""Further documented examples of the same events."""

NO_COUNTERPART = [
    "app_deleted",
    "app_home_opened",
    "app_installed",
    "app_rate_limited",
    "app_requested",
    "app_uninstalled",
    "app_uninstalled_team",
    "assistant_thread_context_changed",
    "assistant_thread_started",
    "call_rejected",
    "channel_id_changed",
    "channel_shared",
    "channel_unshared",
    "entity_details_requested",
    "function_executed",
    "grid_migration_finished",
    "grid_migration_started",
    "invite_requested",
    "link_shared",
    "message_metadata_deleted",
    "message_metadata_posted",
    "message_metadata_updated",
    "resources_added",
    "resources_removed",
    "scope_denied",
    "scope_granted",
    "shared_channel_invite_accepted",
    "shared_channel_invite_approved",
    "shared_channel_invite_declined",
    "shared_channel_invite_received",
    "shared_channel_invite_requested",
    "team_access_granted",
    "team_access_revoked",
    "tokens_revoked",
    "url_verification",
    "user_huddle_changed",
    "user_profile_changed",
    "user_resource_denied",
    "user_resource_granted",
    "user_resource_removed",
    "user_status_changed",
    "workflow_deleted",
    "workflow_published",
    "workflow_step_deleted",
    "workflow_step_execute",
    "workflow_unpublished",
]
"""Events of Slack's Events API that RTM never had."""
