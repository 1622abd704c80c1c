"""The methods of the Web API that the relay answers itself: they lead to its own WebSockets."""

from typing import Literal

from traymon.relay.identities import Known
from traymon.slackwire.api import connect_body

Transport = Literal["rtm", "socket"]

TRANSPORT_OF: dict[str, Transport] = {
    "rtm.connect": "rtm",
    "rtm.start": "rtm",
    "apps.connections.open": "socket",
}
"""The methods, and the transport that each is for."""


def connect_answer(who: Known, url: str, *, old: bool) -> dict[str, object]:
    """What ``rtm.connect`` answers; with ``old`` what ``rtm.start`` does.

    Slack has answered both alike since 2022; clients from before take the lists for granted, which are empty for it
    (https://docs.slack.dev/changelog/2021-10-rtm-start-to-stop).
    """
    body = connect_body(url, who.self_id, who.self_name, who.team_id, who.team_name, who.team_domain)
    return body | _of_old() if old else body


def _of_old() -> dict[str, object]:
    return {
        "users": [],
        "channels": [],
        "groups": [],
        "mpims": [],
        "ims": [],
        "bots": [],
        "subteams": {"self": [], "all": []},
        "dnd": {},
        "cache_ts": 0,
    }
