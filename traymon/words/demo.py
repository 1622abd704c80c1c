"""What the demo says."""

from traymon.words.language import gettext
from traymon.words.times import duration


def demo_intro() -> str:
    """The demo's first lines."""
    return gettext(
        "traymon demo: a bot held online against a built-in stand-in for Slack; nothing leaves this machine.\n"
        "Watch the tray's icon, if there is a tray; Ctrl-C ends it. Lines with a # are the session log's own."
    )


def demo_team() -> str:
    """The name of the demo's workspace."""
    return gettext("Simulated Workspace")


def demo_scene(what: str) -> str:
    """What the stand-in does next, set apart from the log's lines."""
    return f"          · {what}"


def demo_fin() -> str:
    """2016's drop."""
    return gettext(
        "the stand-in hangs up without a close frame, as Slack did in the night of 2016 (1006). "
        "The session was young, so traymon gives Slack a few seconds."
    )


def demo_refuse(seconds: float) -> str:
    """An outage of Slack's."""
    return gettext(
        "the stand-in goes away: the link is reset, and connections are refused for {seconds:.0f} s."
    ).format(seconds=seconds)


def demo_goodbye() -> str:
    """A planned end."""
    return gettext(
        "the stand-in says goodbye, as Slack does every 8 hours: the next link first, so that there is no gap."
    )


def demo_silence() -> str:
    """A dead link that nobody closed."""
    return gettext(
        "the stand-in falls silent without closing: noticed by a ping that nobody answers, "
        "a second link takes over, and the log gets the stop's true time."
    )


def demo_summary(elapsed_ms: int, up_ms: int, down_ms: int, outages: int, sessions: int) -> str:
    """The demo's last line."""
    return gettext(
        "In {elapsed} the bot was up for {up} and down for {down}: "
        "sessions: {sessions}, outages: {outages}; each stop stands in the log above with its cause."
    ).format(
        elapsed=duration(elapsed_ms),
        up=duration(up_ms),
        down=duration(down_ms),
        outages=outages,
        sessions=sessions,
    )
