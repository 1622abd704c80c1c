"""What the running app says."""

from collections.abc import Mapping, Sequence

from traymon.words.causes import quoted
from traymon.words.escapes import printable
from traymon.words.language import gettext, mark
from traymon.words.times import duration

_ANSWERS: Mapping[str, str] = {
    "now": mark("{bot}: connecting now."),
    "already": mark("{bot}: already at it."),
    "handover": mark("{bot}: opening a new link; the present one stays until the new one is up."),
    "checking": mark("{bot}: online; asking the link for a sign of life. A new link can be had in {wait}."),
    "waiting": mark("{bot}: Slack's limits allow the next attempt in {wait}; traymon makes it then."),
    "paused": mark("{bot}: paused until you resume it."),
    "resumed": mark("{bot}: resumed, connecting now."),
    "late": mark("{bot}: busy just now; what you asked for is done as soon as possible."),
}


def answer(bot: str, kind: str, wait_ms: int = 0) -> str:
    """What a click or a command brings about; ``kind`` is the core's ``Answer``."""
    return gettext(_ANSWERS[kind]).format(bot=printable(bot), wait=duration(wait_ms + 999))


def no_such_bot(bot: str, known: Sequence[str]) -> str:
    """A bot was named that is not configured."""
    if not known:
        return gettext("There is no bot “{bot}”: none is configured. Run traymon setup.").format(
            bot=printable(bot)
        )
    names = gettext(", ").join(printable(name) for name in known)
    return gettext("There is no bot “{bot}”; there is: {names}.").format(bot=printable(bot), names=names)


def point_your_program(bot: str) -> str:
    """What a person should do who has set up a Socket Mode bot."""
    return gettext(
        "{bot}: point the bot's own program at traymon; “traymon relay {bot}” prints the one line for it. One that "
        "connects to Slack by itself would share Slack's events with traymon, each going to either."
    ).format(bot=printable(bot))


def no_program(online: str) -> str:
    """``online`` says that the link is up; this, that Slack counts no other beside it."""
    return gettext("{online}, but no program is attached").format(online=online)


def strange_links(connections: int) -> str:
    """Slack counts more links of a Socket Mode app than traymon's one, and has for half an hour."""
    return gettext(
        "Slack counts {count} links of this app, one of them traymon's; the others are another program's, which shares "
        "what Slack sends with traymon, or leftovers of dead links, which go by themselves in hours"
    ).format(count=connections)


def no_presence(needed: object) -> str:
    """The bot's token may not ask how Slack shows the bot. ``needed`` is the scope as Slack named it, if it did."""
    return gettext(
        "traymon cannot see whether Slack shows the bot as away: its token lacks the scope {scope}; the link is not "
        "affected. To change that, add the scope at api.slack.com/apps, install the app again and restart traymon"
    ).format(scope=quoted(needed) or "users:read")


def cannot_post() -> str:
    """The bot token may not post what a program of RTM sends."""
    return gettext(
        "The bot token lacks the scope chat:write: the program will hear, but what it says will not be posted. Add the "
        "scope at api.slack.com/apps, under “OAuth & Permissions”, and install the app again."
    )


def unknown_request() -> str:
    """The control socket got a request that this version does not know."""
    return gettext(
        "The running traymon does not know this request; restart it to make both the same version."
    )


def cannot_open_log(path: str, problem: str) -> str:
    """No viewer could be started for the text log."""
    return gettext("The log could not be shown ({problem}); read it at {path}.").format(
        problem=printable(problem), path=printable(path)
    )


def no_bots(config_file: str) -> str:
    """traymon runs, but keeps nothing."""
    return gettext(
        "No bot is configured yet, so there is nothing to keep online: run traymon setup, or write {path}."
    ).format(path=printable(config_file))


def now_held(bot: str) -> str:
    """The configuration was read anew, and this bot is new or changed in it."""
    return gettext("{bot}: held from now on, as the configuration says.").format(bot=printable(bot))


def no_longer_held(bot: str) -> str:
    """The configuration was read anew, and this bot is not in it any more."""
    return gettext("{bot}: no longer in the configuration, so no longer held.").format(bot=printable(bot))
