"""What the demo says."""

from traymon.words.escapes import printable
from traymon.words.language import gettext
from traymon.words.times import duration, number


def demo_intro() -> str:
    """The demo's first lines."""
    return gettext(
        "traymon demo: a bot held online against a built-in stand-in for Slack; nothing leaves this machine.\n"
        "Watch the tray's icon, if there is a tray; Ctrl-C ends it. Lines with a # are the session log's own.\n"
        "“traymon demo --replay” tells the night of 2016 instead, beside what traymon would have done."
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


# The replay of 2016


def replay_intro() -> str:
    """The replay's first lines."""
    return gettext(
        "The night of 2016: a bot on Botkit 0.4.2 in Japan, and what traymon would have done in its place. "
        "The times are the original's (UTC+9). Nothing leaves this machine."
    )


def replay_point(what: str) -> str:
    """One of a list."""
    return f"  · {what}"


def replay_assumed() -> str:
    """Heads the assumptions."""
    return gettext("Not recorded, and so assumed here:")


def replay_which() -> str:
    """Which of the seven failures behind 1006 it was."""
    return gettext(
        "What 1006 was: of the seven failures that share this number, the last, a server that hangs up abruptly "
        "after the handshake."
    )


def replay_refused(attempts: int) -> str:
    """Why Botkit's attempts to reconnect failed, and until when."""
    return gettext(
        "Why Botkit's {count} attempts failed: Slack refused connections, and took them again as soon as the last "
        "attempt had failed."
    ).format(count=attempts)


def replay_round_trip(ms: int, trips: int) -> str:
    """How far away Slack is."""
    return gettext(
        "A round trip to Slack takes {ms} ms. A refused attempt takes one of them, a connection {count}."
    ).format(ms=ms, count=trips)


def replay_found_assumed(time: str) -> str:
    """When somebody noticed."""
    return gettext(
        "When Botkit was found, on “the next day”: at {time}, as early as that can well be."
    ).format(time=time)


def replay_botkit() -> str:
    """Heads Botkit's night."""
    return gettext("What Botkit's console said:")


def replay_traymon() -> str:
    """Heads traymon's night."""
    return gettext("What traymon's log would have said:")


def replay_botkit_title() -> str:
    """Stands beside the bot's name in the report."""
    return gettext("the night of 2016, as it was")


def replay_traymon_title() -> str:
    """Stands beside the bot's name in the report."""
    return gettext("the night of 2016, with traymon")


def replay_start() -> str:
    """What Botkit's console said at the start."""
    return gettext("start")


def replay_close(event: str, up_ms: int) -> str:
    """What it said at the close, and how long the bot had been up."""
    return gettext("{event} (after {duration})").format(event=printable(event), duration=duration(up_ms))


def replay_attempt(which: int, attempts: int, delay_ms: int) -> str:
    """One of Botkit's attempts, and how long it had waited before it."""
    return gettext("attempt {number} of {count}, after {delay} ms: failed").format(
        number=which, count=attempts, delay=number(delay_ms)
    )


def replay_found() -> str:
    """The end of Botkit's night."""
    return gettext("found offline: the bot did not answer")


def replay_outcome(botkit_ms: int, traymon_ms: int) -> str:
    """How long each was down."""
    return gettext(
        "Botkit was offline for {botkit} when somebody found it. traymon would have been offline for {traymon}, "
        "back by itself, and its log says why."
    ).format(botkit=duration(botkit_ms), traymon=duration(traymon_ms))


def replay_bound(ms: int) -> str:
    """What another assumption about Slack's absence would have changed."""
    return gettext(
        "However long Slack had stayed away, traymon would have been back within {duration} of its return."
    ).format(duration=duration(ms + 999))


def replay_page(path: str) -> str:
    """Where the replay's report is."""
    return gettext("The report of both bots: {path}").format(path=printable(path))


def replay_not_shown(problem: str) -> str:
    """The report could not be opened."""
    return gettext("It could not be opened ({problem}): open it in a browser.").format(
        problem=printable(problem)
    )


def replay_not_written(problem: str) -> str:
    """The replay's own log could not be written."""
    return gettext(
        "The replay needs a folder for temporary files that can be written; nothing was replayed. {problem}"
    ).format(problem=printable(problem))
