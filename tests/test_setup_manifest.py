"""The app that Slack is asked to make."""

import json
from urllib.parse import parse_qs, urlsplit

from traymon.setup.manifest import apps_page, as_text, manifest, new_app_page


def test_the_app_can_use_socket_mode_and_keeps_its_token():
    app = manifest("Ünï bot")
    assert app["display_information"]["name"] == app["features"]["bot_user"]["display_name"] == "Ünï bot"
    settings = app["settings"]
    assert settings["socket_mode_enabled"] is True
    assert settings["token_rotation_enabled"] is False
    # Slack refuses a manifest whose events need a scope that it does not have.
    scopes = set(app["oauth_config"]["scopes"]["bot"])
    needed = {"app_mention": "app_mentions:read", "message.im": "im:history"}
    assert {needed[event] for event in settings["event_subscriptions"]["bot_events"]} <= scopes
    assert {"users:read", "chat:write"} <= scopes


def test_the_link_carries_the_manifest_whole():
    app = manifest("a & b?=#")
    url = urlsplit(new_app_page(app))
    assert (url.scheme, url.netloc, url.path) == ("https", "api.slack.com", "/apps")
    query = parse_qs(url.query, strict_parsing=True)
    assert query["new_app"] == ["1"]
    assert json.loads(query["manifest_json"][0]) == json.loads(as_text(app)) == app


def test_govslack_has_a_page_of_its_own():
    assert apps_page("https://slack-gov.com/api/") == "https://api.slack-gov.com/apps"
    assert apps_page("https://notslack-gov.com.example/api/") == "https://api.slack.com/apps"
    assert apps_page("http://127.0.0.1:1/api/") == "https://api.slack.com/apps"
