"""What ``traymon status`` tells of one bot."""

from collections.abc import Mapping, Sequence
from typing import Any

from traymon import words
from traymon.app.relaying import Relaying
from traymon.desktop.clocks import Clocks
from traymon.keeper.core.causes import Fact, Failure
from traymon.keeper.core.status import Status
from traymon.keeper.shell import Keeper, Shown
from traymon.relay.programs import Program


def status_of(keeper: Keeper, shown: Shown, clocks: Clocks, relaying: Relaying) -> dict[str, Any]:
    """One bot, as ``traymon status --json`` prints it."""
    bot, status = keeper.bot, shown.status
    attached = relaying.programs(bot)
    failure = status.failure
    return {
        "name": bot,
        "workspace": workspace(keeper, relaying),
        "state": status.state.value,
        "since": _iso(wall(clocks, status.session_since or status.since)),
        "cause": failure.cause.value if failure else None,
        "explanation": explanation(failure, keeper.findings),
        "transport": keeper.transport,
        "next_try": _iso(wall(clocks, status.next_try)),
        "attempting": status.attempting,
        "logged": shown.logged,
        "connections": status.connections,
        "relay": attached is not None,
        "programs": [_program(program, clocks) for program in attached or ()],
        "not_given": dict(relaying.not_given(bot)),
        "trouble": relaying.trouble(bot) or None,
    }


def _program(program: Program, clocks: Clocks) -> dict[str, Any]:
    return {
        "name": program.name,
        "since": _iso(wall(clocks, program.since)),
        "events": program.events,
        "sends": program.sends,
        "last_send": _iso(wall(clocks, program.last_send)),
    }


def workspace(keeper: Keeper, relaying: Relaying) -> str | None:
    """The workspace's name, as Slack told it."""
    return keeper.identity.team_name if keeper.identity else relaying.workspace(keeper.bot)


def programs(keeper: Keeper, status: Status, attached: Sequence[Program] | None) -> int | None:
    """How many programs are behind the bot, as far as is known: those that are ``attached`` where it lends its link,
    else how many links Slack counts beside ours. In Socket Mode those may be leftovers of dead links: not known."""
    if attached is not None:
        return len(attached)
    if keeper.transport != "rtm" or status.connections is None:
        return None
    return status.connections - 1


def explanation(failure: Failure | None, findings: Mapping[str, Fact]) -> str | None:
    """What went wrong, for a person, with what the side probes found."""
    if failure is None:
        return None
    return words.cause(
        failure.cause.value,
        detail=failure.detail,
        close_code=failure.close_code,
        evidence={**findings, **failure.evidence},
    )


def wall(clocks: Clocks, at: int | None) -> int | None:
    """UTC ms of an instant of the clock that counts sleep."""
    return None if at is None else clocks.wall() - (clocks.now() - at)


def _iso(wall_ms: int | None) -> str | None:
    if wall_ms is None:
        return None
    return words.local_time(wall_ms).isoformat(timespec="seconds")
