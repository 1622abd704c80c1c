"""One bot on one of slack_sdk's clients, held as its documentation shows, until this process is ended.

TOKEN=… API_URL=… python -m tests.bench.peers.python_client rtm_v2|socket
"""

import os
import sys
import threading

from slack_sdk import WebClient


def main(which: str) -> None:
    """Connect and stay."""
    token, api_url = os.environ["TOKEN"], os.environ["API_URL"]
    if which == "rtm_v2":
        from slack_sdk.rtm_v2 import RTMClient

        RTMClient(token=token, base_url=api_url).connect()  # type: ignore[no-untyped-call]
    else:
        from slack_sdk.socket_mode import SocketModeClient

        SocketModeClient(app_token=token, web_client=WebClient(base_url=api_url)).connect()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
