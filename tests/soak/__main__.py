"""``python -m tests.soak``: the long form."""

import argparse
import os
import tempfile
from pathlib import Path

from tests.soak.many_bots import run


def main() -> None:
    """Read the options, make a home of its own, soak."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--bots", type=int, default=50)
    parser.add_argument("--faults", type=float, default=300, metavar="SECONDS")
    parser.add_argument("--traffic", type=float, default=3600, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=2016)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="traymon-soak-") as folder:
        home = Path(folder)
        (home / "run").mkdir(mode=0o700)
        os.environ |= {
            "HOME": folder,
            "XDG_STATE_HOME": folder + "/state",
            "XDG_RUNTIME_DIR": folder + "/run",
        }
        run(home, bots=given.bots, fault_s=given.faults, traffic_s=given.traffic, seed=given.seed)


if __name__ == "__main__":
    main()
