"""The simulator in a process of its own, so that what it costs is not taken for traymon's.

The child (``python -m tests.bench.slack LATENCY_MS TOKEN…``) writes its API URL, then answers each line of its input:
``greeted`` waits until every bot has been greeted by ``hello``, ``fin TOKEN`` hangs up without a close frame and waits
until that bot is greeted again. The answer is a number, or ``late``.
"""

import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support import PATIENCE_S, token_of
from traymon.simulator import LinkRecord, Simulator

LATENCY_MS = 50
"""Design, Budgets: a round trip. The simulator delays what clients send by it, answers come at once; opening a TCP
connection costs nothing, for traymon as for the bare client."""


class SlackProcess:
    """Slack for ``bots`` bots; a context manager. One command at a time."""

    def __init__(self, bots: list[str]) -> None:
        command = [sys.executable, "-m", "tests.bench.slack", str(LATENCY_MS), *map(token_of, bots)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.api_url = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()

    def greeted(self) -> int:
        """When the last of all bots was greeted: ms of the clock that counts sleep."""
        return int(self._ask("greeted"))

    def hang_up(self, bot: str) -> float:
        """End the bot's link by FIN; the seconds from that to the hello on its next one."""
        return int(self._ask(f"fin {token_of(bot)}")) / 1000

    def _ask(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or line == "late":
            raise TimeoutError(f"the simulator's process said {line or 'nothing'}")
        return line


class _Child:
    def __init__(self, slack: Simulator, tokens: list[str]) -> None:
        self._slack = slack
        self._tokens = tokens

    def answer(self, command: str) -> str:
        match command.split():
            case ["greeted"]:
                return self._greeted()
            case ["fin", token]:
                return self._fin(token)
        raise ValueError(command)

    def _greeted(self) -> str:
        def all_of_them() -> bool:
            return all(any(link.hello_at for link in self._links(token)) for token in self._tokens)

        if not self._slack.wait(all_of_them, PATIENCE_S):
            return "late"
        return str(max(link.hello_at or 0 for link in self._slack.truth().links))

    def _fin(self, token: str) -> str:
        known = len(self._links(token))
        if self._slack.fin(token) != 1:
            return "late"
        if not self._slack.wait(
            lambda: any(link.hello_at for link in self._links(token)[known:]), PATIENCE_S
        ):
            return "late"
        old, new = self._links(token)[known - 1 : known + 1]
        assert old.ended_at is not None
        assert new.hello_at is not None
        return str(new.hello_at - old.ended_at)

    def _links(self, token: str) -> tuple[LinkRecord, ...]:
        return self._slack.truth().links_of(token)


def main(latency_ms: str, *tokens: str) -> None:
    """The child; it ends with its input."""
    with Simulator(latency_ms=int(latency_ms)) as slack:
        for index, token in enumerate(tokens):
            slack.add_bot(token, f"bot{index}")
        child = _Child(slack, list(tokens))
        print(slack.api_url, flush=True)
        for line in sys.stdin:
            print(child.answer(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
