"""``python -m tests.soak.relay --seconds 300``: the long form."""

import argparse
import tempfile
from pathlib import Path

from tests.soak.many_bots import report
from tests.soak.relay.world import run


def main() -> None:
    """Read the options, make a home, run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.relay", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=2016)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="traymon-relay-") as folder:
        run(Path(folder), seconds=given.seconds, seed=given.seed, report=report)


if __name__ == "__main__":
    main()
