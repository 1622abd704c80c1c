"""Programs: the code that answers people, attached to the relay."""

import re
from dataclasses import dataclass

from traymon import words

_LONGEST_NAME = 60
"""Characters of a program's name, which stands in a menu and in lines of the log."""
_NEVER_TELLING = re.compile(r"(?i)^(python|python-requests|python-urllib|node|node\.js|aiohttp)$")
"""Product names that say what the program is written in, and nothing of what it is."""


@dataclass(frozen=True, slots=True)
class Program:
    """One attached program, as it was at some moment. Times are ms of the clock that counts sleep."""

    number: int
    """Unique for the process; a later program has a higher one."""
    name: str
    """What it calls itself; fit to be shown."""
    since: int
    events: int = 0
    """Events of Slack's that were given to it."""
    sends: int = 0
    """RTM: messages of its that went up; Socket Mode: acknowledgements."""
    last_send: int | None = None
    """When the last of them went up."""


def name_of(client: str, user_agent: str) -> str:
    """What to call a program: ``client`` is what its URL says, ``user_agent`` its library's header.

    Of a header such as ``@slack:socket-mode/3.0.0 node/20.1 linux/6.1``, the first product that is not just the
    language: slack_sdk and npm's put themselves first, botkit sends none (then it is "program").
    """
    given = client.strip()
    if not given:
        products = user_agent.split()
        given = next((each for each in products if not _NEVER_TELLING.match(each.partition("/")[0])), "")
        given = given.replace("@slack:", "@slack/", 1)
    shown = words.printable(given)[:_LONGEST_NAME].strip()
    return shown or words.gettext("program")
