"""The raw baseline in a process of its own: each line of input is answered with the seconds of one bare reconnect.

TOKEN=… API_URL=… python -m tests.bench.peers.bare
"""

import os
import sys

from tests.bench.baseline import bare_reconnect


def main() -> None:
    """Answer until the input ends."""
    token, api_url = os.environ["TOKEN"], os.environ["API_URL"]
    for _ in sys.stdin:
        print(bare_reconnect(api_url, token), flush=True)


if __name__ == "__main__":
    main()
