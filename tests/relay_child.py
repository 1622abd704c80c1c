"""A process of its own that holds one RTM bot and lends its link, with few descriptors if told so.

``python tests/relay_child.py FOLDER API_URL DESCRIPTORS``: prints one JSON object with what programs need; then, for
each line it reads, one with its memory and descriptors; ends with its standard input.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.relay_kit import Forgetful
from tests.support import token_of
from traymon.desktop.clocks import system_clocks
from traymon.keeper.core import Core
from traymon.keeper.shell import Board, Keeper
from traymon.relay.bots import RelayedBot
from traymon.relay.server import Relay
from traymon.slack.endpoint import Endpoint
from traymon.slack.rtm import RtmConnector


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    folder, api_url, descriptors = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if descriptors:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    clocks, endpoint, token = system_clocks(), Endpoint(api_url), token_of("bot")
    said: list[str] = []
    relay = Relay(folder / "relay.json", clocks, on_programs=lambda *_: None, say=said.append)
    relay.start()
    own = relay.tokens_of("bot").token
    bot = RelayedBot(
        "bot", "rtm", endpoint, lambda: token, lambda: token, lambda: keeper.identity, own, local_app_token=""
    )
    traffic = relay.add(bot, lambda link, text: keeper.send(link, text))
    relay.settle(settled=True)
    keeper = Keeper(
        "bot",
        "rtm",
        RtmConnector(endpoint, lambda: token),
        Core(lambda: 0.5),
        Forgetful(),
        Board(clocks.now),
        clocks,
        traffic=traffic,
    )
    keeper.start()
    tell(base_url=relay.base_url, token=own)
    for _ in sys.stdin:
        status = Path("/proc/self/status").read_text()
        rss_kb = int(status.partition("VmRSS:")[2].split()[0])
        tell(
            rss_mb=rss_kb / 1024,
            descriptors=len(os.listdir("/proc/self/fd")),
            programs=len(relay.programs("bot")),
            said=said,
        )
    keeper.stop()
    relay.stop(2)
    keeper.join(2)


if __name__ == "__main__":
    main()
