"""The app that Slack is asked to make."""

import json
from urllib.parse import parse_qs, urlsplit

from traymon.relay.translation.catalogue import RTM_EVENTS, Source
from traymon.relay.translation.events import Carried, translate
from traymon.setup.manifest import (
    NOT_FOR_BOTS,
    apps_page,
    as_text,
    manifest,
    new_app_page,
    rtm_events,
    rtm_manifest,
)


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


def test_the_app_for_a_program_of_rtm_hears_what_can_be_carried_and_can_answer():
    app = rtm_manifest("Ünï bot")
    assert app["settings"]["socket_mode_enabled"] is True
    assert app["settings"]["interactivity"]["is_enabled"] is False, "RTM has no buttons"
    events = app["settings"]["event_subscriptions"]["bot_events"]
    assert events == rtm_events()
    sent = {name for name, event in RTM_EVENTS.items() if event.source is Source.EVENTS_API}
    told = {"message" if each.startswith("message.") else each for each in events}
    assert told - {"app_mention"} == sent - NOT_FOR_BOTS
    assert sent >= NOT_FOR_BOTS
    scopes = app["oauth_config"]["scopes"]["bot"]
    assert {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "files:read",
        "groups:history",
        "groups:read",
        "im:history",
        "mpim:history",
        "pins:read",
        "reactions:read",
        "team:read",
        "users:read",
    } <= set(scopes)
    # Of a person's token only: Slack refuses the manifest as a whole.
    assert "stars:read" not in scopes
    # Limits of https://github.com/slackapi/manifest-schema.
    assert len(set(events)) == len(events) <= 100
    assert len(set(scopes)) == len(scopes) <= 255
    assert len(app["display_information"]["name"]) <= 35


def test_a_mention_is_an_event_for_a_program_of_rtm():
    event = {"type": "app_mention", "channel": "C1", "ts": "1.2", "user": "U1", "text": "hi"}
    assert isinstance(translate(json.dumps({"event": event}).encode()), Carried)
    assert "app_mention" in rtm_events()


def test_the_link_for_a_program_of_rtm_is_short_enough_for_a_browser_and_a_server():
    app = rtm_manifest()
    assert len(new_app_page(app)) < 4000
    assert json.loads(parse_qs(urlsplit(new_app_page(app)).query)["manifest_json"][0]) == app
