"""Examples of every command, for its help and its manual page."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from traymon import words
from traymon.words import mark


class Example(NamedTuple):
    """A ``line`` as it is typed, and what it is about."""

    line: str
    about: str


def examples_of(path: Sequence[str]) -> list[Example]:
    """The examples of the command ``path`` (``("autostart", "on")``) and of those below it, in the language in use.

    Of the program itself (no path) only its own.
    """
    name = " ".join(path)
    found = [each for key, each in _EXAMPLES.items() if key == name or (name and key.startswith(f"{name} "))]
    return [
        Example(f"traymon {arguments}".rstrip(), words.gettext(about))
        for each in found
        for arguments, about in each.items()
    ]


# By command: the arguments of an example, and what it is about.
_EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "": {
        "setup": mark("Set up a bot, then run traymon."),
        "": mark("Keep all bots online, with an icon in the tray."),
        "status": mark("Whether they are online, and if not, why and when the next try is."),
        "--config ~/test.toml run": mark("Keep the bots of another configuration, beside the others."),
    },
    "run": {
        "run": mark("Keep all bots online, with an icon in the tray."),
        "run --no-tray": mark("On a machine without a desktop, or as a service."),
    },
    "demo": {
        "demo --seconds 40": mark("See drops, a refusal and silence in 40 seconds."),
        "demo --replay --open": mark("See a night of drops as it was in 2016, and with traymon."),
    },
    "setup": {
        "setup": mark("Be asked for everything."),
        "setup --page": mark("Do it in the browser, with a guide."),
        "setup --name deploybot --transport socket": mark("A bot that uses Socket Mode."),
        "setup --name deploybot --relay rtm": mark("A bot whose own program knows RTM only."),
        "setup --name deploybot --keep file:/run/secrets/deploybot": mark(
            "Keep the token in a file, where there is no keyring."
        ),
    },
    "status": {
        "status": mark("Ask once."),
        "status --watch": mark("See changes as they come."),
        "status --json": mark("Ask from a script."),
    },
    "reconnect": {
        "reconnect": mark("Try at once what is not online."),
        "reconnect deploybot": mark("Give one bot a new connection."),
    },
    "pause": {
        "pause": mark("Take all bots offline, as during maintenance."),
        "pause deploybot": mark("Take one bot offline."),
    },
    "resume": {
        "resume": mark("Bring all bots back."),
        "resume deploybot": mark("Bring one bot back."),
    },
    "quit": {"quit": mark("End traymon, wherever it was started.")},
    "log": {
        "log --since yesterday": mark("What happened since yesterday at midnight."),
        "log --bot deploybot --follow": mark("Follow one bot."),
        "log --since 2016-12-20T07:29 --format csv": mark("For a spreadsheet, from a moment on."),
    },
    "report": {
        "report --open": mark("See it in the browser."),
        "report --bot deploybot --all --output deploybot.html": mark("One bot's whole history, as a file."),
    },
    "doctor": {
        "doctor": mark("Look for what keeps a bot offline."),
        "doctor deploybot --json": mark("One bot, for a program."),
    },
    "autostart on": {"autostart on": mark("Have the bots online as soon as you are.")},
    "autostart off": {"autostart off": mark("Start it by hand again.")},
    "autostart status": {"autostart status": mark("Ask how it stands.")},
    "relay": {
        "relay": mark("See what the programs of all bots need."),
        "relay deploybot --token": mark("The same for one bot, with the token for its program."),
    },
    "config path": {"config path": mark("Find the file.")},
    "config check": {"config check": mark("Look it over after a change.")},
    "remove": {
        "remove deploybot": mark("Take a bot out."),
        "remove deploybot --keep-token --yes": mark("The same from a script, without touching its token."),
    },
    "uninstall": {
        "uninstall": mark("Be asked before anything goes."),
        "uninstall --purge --yes": mark("Leave nothing behind."),
    },
}
