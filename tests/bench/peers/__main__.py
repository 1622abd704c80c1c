"""``python -m tests.bench.peers [ROUNDS]``: traymon beside the clients that pip and npm install.

A round takes about four minutes. Nothing is asserted, and nothing else should run meanwhile.
"""

import signal
import sys
import tempfile
import traceback
from pathlib import Path

from tests.bench.peers.kinds import KINDS, install
from tests.bench.peers.report import notes, table
from tests.bench.peers.round import Round, play

ROUNDS = 2


def main(rounds: int = ROUNDS) -> int:
    """Play the rounds and print the table. 1 when none could be played to its end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # not without ending the clients
    lacks = install()
    missing = {kind.name: lacks for kind in KINDS if lacks and kind.needs_node}
    kinds = [kind for kind in KINDS if kind.name not in missing]
    played: list[Round] = []
    for number in range(1, rounds + 1):
        print(f"peers: round {number} of {rounds}, about four minutes.", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="traymon-peers-") as folder:
            try:
                played.append(play(Path(folder), kinds))
            except Exception:
                # What was measured so far took minutes: it is shown all the same.
                traceback.print_exc()
    if not played:
        return 1
    print(table(played, missing))
    print()
    print(notes(played))
    return 0 if len(played) == rounds else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
