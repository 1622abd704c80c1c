"""``python -P -m traymon.report``: make the page for a running traymon, so that the memory it takes goes with this
process.

Standard input says of which log, as JSON; standard output is a sentence where there is no page.
"""

import sys
from pathlib import Path

import msgspec

from traymon import words
from traymon.paths import Profile
from traymon.report.child import Order
from traymon.report.saving import write
from traymon.sessionlog.view import LogUnreadableError


def main() -> None:
    """Carry out the order on standard input."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    words.choose(order.language, {})
    problem = ""
    try:
        # Log and page lie in the state folder, and nothing else is used.
        write(Profile.throwaway(Path(order.state_dir)), running=True, workspaces=order.workspaces)
    except LogUnreadableError as error:
        problem = str(error)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    sys.stdout.buffer.write(problem.encode("utf-8", "backslashreplace"))


if __name__ == "__main__":
    main()
