"""The description of an app that Slack makes an app from. Its fields: https://docs.slack.dev/reference/app-manifest."""

import json
from typing import Any
from urllib.parse import quote, urlsplit

from traymon.config import DEFAULT_API_URL

# What a bot that answers people needs, and no more; its owner adds to it at Slack.
_SCOPES = ["app_mentions:read", "chat:write", "im:history", "users:read"]
_EVENTS = ["app_mention", "message.im"]


def manifest(name: str = "My bot") -> dict[str, Any]:
    """An app for Socket Mode whose bot hears mentions and direct messages, and can answer."""
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
        "oauth_config": {"scopes": {"bot": _SCOPES}},
        "settings": {
            "event_subscriptions": {"bot_events": _EVENTS},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            # traymon does not renew tokens.
            "token_rotation_enabled": False,
        },
    }


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
