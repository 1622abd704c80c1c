"""The states of a bot and every way from one to another.

The rules, in words
-------------------
1. A bot is in exactly one state at any moment, and every change of state is one row of :data:`TRANSITIONS`.
   Anything else is an anomaly: it changes nothing and is reported.
2. ``connecting`` is only the first attempt after a start, a resume or a wake. Once an attempt has failed or a
   session was lost, the bot is ``offline`` until Slack's next ``hello``, however many attempts that takes.
3. ``online`` begins with Slack's ``hello`` and lasts while the link gives proof of life in time. ``away`` is
   ``online`` with Slack showing the bot as away; it is part of the same session.
4. A new link that takes over from a living one is no change of state.
5. ``refused`` is a person's business: Slack said no for good. No loop runs there; a click or a new token tries again.
6. ``paused`` is the user's choice and survives sleep and restarts; only the user ends it.
7. ``asleep`` is this machine asleep; what was refused before is refused after, all else connects anew.
8. ``unknown`` is all time in which traymon did not run. Quitting leads there, starting leads out.
"""

from enum import StrEnum


class State(StrEnum):
    """What a person sees, and what a span is a stretch of. Names are data: never renamed, never translated."""

    CONNECTING = "connecting"
    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"
    REFUSED = "refused"
    PAUSED = "paused"
    ASLEEP = "asleep"
    UNKNOWN = "unknown"


UP = frozenset({State.ONLINE, State.AWAY})
"""The states in which a session is up."""

DOWN = frozenset({State.CONNECTING, State.OFFLINE, State.REFUSED})
"""The states that make an outage. The others (paused, asleep, unknown) count as neither up nor down."""


class Trigger(StrEnum):
    """What moves a bot from one state to another."""

    START = "start"
    START_PAUSED = "start paused"
    HELLO = "hello"
    LOST = "session lost"
    FAILED = "attempt failed"
    REFUSED = "refused by Slack"
    TOKEN = "new token"  # noqa: S105 - the name of a trigger
    AWAY = "shown away"
    ACTIVE = "shown active"
    PAUSE = "pause"
    RESUME = "resume"
    SLEEP = "sleep"
    WAKE = "wake"
    WAKE_REFUSED = "wake, still refused"
    QUIT = "quit"


_ANYWHERE_AWAKE = {Trigger.PAUSE: State.PAUSED, Trigger.SLEEP: State.ASLEEP, Trigger.QUIT: State.UNKNOWN}

TRANSITIONS: dict[State, dict[Trigger, State]] = {
    State.UNKNOWN: {
        Trigger.START: State.CONNECTING,
        Trigger.START_PAUSED: State.PAUSED,
    },
    State.CONNECTING: {
        Trigger.HELLO: State.ONLINE,
        Trigger.FAILED: State.OFFLINE,
        Trigger.REFUSED: State.REFUSED,
        **_ANYWHERE_AWAKE,
    },
    State.ONLINE: {
        Trigger.LOST: State.OFFLINE,
        Trigger.REFUSED: State.REFUSED,
        Trigger.AWAY: State.AWAY,
        **_ANYWHERE_AWAKE,
    },
    State.AWAY: {
        Trigger.LOST: State.OFFLINE,
        Trigger.REFUSED: State.REFUSED,
        Trigger.ACTIVE: State.ONLINE,
        **_ANYWHERE_AWAKE,
    },
    State.OFFLINE: {
        Trigger.HELLO: State.ONLINE,
        Trigger.REFUSED: State.REFUSED,
        **_ANYWHERE_AWAKE,
    },
    State.REFUSED: {
        Trigger.HELLO: State.ONLINE,
        Trigger.TOKEN: State.CONNECTING,
        **_ANYWHERE_AWAKE,
    },
    State.PAUSED: {
        Trigger.RESUME: State.CONNECTING,
        Trigger.QUIT: State.UNKNOWN,
    },
    State.ASLEEP: {
        Trigger.WAKE: State.CONNECTING,
        Trigger.WAKE_REFUSED: State.REFUSED,
        Trigger.PAUSE: State.PAUSED,
        Trigger.QUIT: State.UNKNOWN,
    },
}
