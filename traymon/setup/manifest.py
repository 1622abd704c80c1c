"""The description of an app that Slack makes an app from. Its fields: https://docs.slack.dev/reference/app-manifest."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from traymon.config import DEFAULT_API_URL
from traymon.relay.translation.catalogue import RTM_EVENTS, Source

# What a bot that answers people needs, and no more; its owner adds to it at Slack.
_EVENTS = ("app_mention", "message.im")
_SCOPES = ("chat:write", "users:read")

_MESSAGES = ("message.channels", "message.groups", "message.im", "message.mpim")
"""What the one event ``message`` is subscribed to as."""

NOT_FOR_BOTS = frozenset(
    {
        "dnd_updated",
        "file_comment_deleted",
        "group_close",
        "group_open",
        "im_close",
        "im_created",
        "im_open",
        "star_added",
        "star_removed",
        "subteam_self_added",
        "subteam_self_removed",
    }
)
"""Events of a person's own, that a bot cannot subscribe to, and one that is no longer served: Slack refuses a manifest
with any of them as a whole ("invalid event type"). From their pages at https://docs.slack.dev/reference/events."""

# An event's scopes, from the same pages, by how its name begins: the first that fits.
_SCOPES_OF: Mapping[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "channel_history_": ("channels:history",),
    "group_history_": ("groups:history",),
    "im_history_": ("im:history",),
    "channel_": ("channels:read",),
    "group_": ("groups:read",),
    "member_": ("channels:read", "groups:read"),
    "dnd_": ("dnd:read",),
    "emoji_": ("emoji:read",),
    "file_": ("files:read",),
    "pin_": ("pins:read",),
    "reaction_": ("reactions:read",),
    "subteam_": ("usergroups:read",),
    "team_join": ("users:read",),
    "user_": ("users:read",),
    "team_": ("team:read",),
    "email_domain_": ("team:read",),
}


def manifest(name: str = "My bot") -> dict[str, Any]:
    """An app for Socket Mode whose bot hears mentions and direct messages, and can answer."""
    return _manifest(name, _EVENTS, interactive=True)


def rtm_manifest(name: str = "My bot") -> dict[str, Any]:
    """An app for Socket Mode whose bot hears all that traymon can carry to a program of RTM, and can answer.

    Without buttons and modals: RTM has none. Its owner strikes out at Slack what the program does not need.
    """
    return _manifest(name, rtm_events(), interactive=False)


def rtm_events() -> list[str]:
    """The events that a bot can subscribe to, and that traymon carries to a program of RTM."""
    carried = {name for name, event in RTM_EVENTS.items() if event.source is Source.EVENTS_API}
    return sorted({"app_mention", *_MESSAGES, *carried} - {"message"} - NOT_FOR_BOTS)


def _manifest(name: str, events: Iterable[str], *, interactive: bool) -> dict[str, Any]:
    events = list(events)
    return {
        "display_information": {"name": name},
        "features": {
            # Else people cannot write to the bot.
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            # In Socket Mode the green dot is this setting, not the link.
            "bot_user": {"display_name": name, "always_online": True},
        },
        "oauth_config": {"scopes": {"bot": _scopes(events)}},
        "settings": {
            "event_subscriptions": {"bot_events": events},
            "interactivity": {"is_enabled": interactive},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            # traymon does not renew tokens.
            "token_rotation_enabled": False,
        },
    }


def _scopes(events: Iterable[str]) -> list[str]:
    """What a bot that hears ``events`` and answers needs: Slack refuses a manifest whose events lack a scope."""
    needed = set(_SCOPES)
    for event in events:
        needed.update(next(scopes for start, scopes in _SCOPES_OF.items() if event.startswith(start)))
    return sorted(needed)


def as_text(app: dict[str, Any]) -> str:
    """For people to read and paste."""
    return json.dumps(app, indent=2, ensure_ascii=False)


def apps_page(api_url: str = DEFAULT_API_URL) -> str:
    """Where apps are made: Slack's page, GovSlack's where the Web API is GovSlack's."""
    gov = (urlsplit(api_url).hostname or "").endswith("slack-gov.com")
    return "https://api.slack-gov.com/apps" if gov else "https://api.slack.com/apps"


def new_app_page(app: dict[str, Any], api_url: str = DEFAULT_API_URL) -> str:
    """The page for a new app with the manifest filled in."""
    text = quote(json.dumps(app, separators=(",", ":")), safe="")
    return f"{apps_page(api_url)}?new_app=1&manifest_json={text}"
