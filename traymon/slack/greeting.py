"""Waiting for one frame of a link, with an end: Slack's hello, a pong."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.slack.errors import AbandonedError, SlackError
from traymon.slack.lastwords import last_word
from traymon.slack.link import Link
from traymon.slackwire import frames


def hello(link: Link, limit_s: float, host: str) -> frames.Hello:
    """Slack's hello, within ``limit_s`` seconds. Raises SlackError, for silence ``hello_timeout``."""
    got = await_frame(
        link, lambda got: isinstance(got, frames.Hello), limit_s, Cause.HELLO_TIMEOUT, Phase.HELLO, host
    )
    assert isinstance(got, frames.Hello)
    return got


def await_frame(
    link: Link,
    wanted: Callable[[object], bool],
    limit_s: float,
    cause: Cause,
    phase: Phase,
    host: str,
) -> object:
    """The first frame that is wanted, within ``limit_s`` seconds; after that the link is ended.

    Raises SlackError: for silence with ``cause`` and ``phase``, where Slack says no with what that means.
    """
    with _ended_after(limit_s, link) as late:
        try:
            while not wanted(got := link.receive()):
                if (said := last_word(got, Phase.HELLO)) is not None:
                    raise SlackError(said)
        except AbandonedError:
            if not late.is_set():
                raise
        else:
            return got
    facts: dict[str, Fact] = {"host": host, "silent_ms": round(limit_s * 1000)}
    raise SlackError(Failure(cause, phase, reached_slack=True, evidence=facts))


@contextlib.contextmanager
def _ended_after(limit_s: float, link: Link) -> Iterator[threading.Event]:
    """End ``link`` after ``limit_s`` seconds, unless the block ends before; the event says that it was so."""
    late = threading.Event()

    def end() -> None:
        late.set()
        link.abort()

    # Wakes the reader of a silent link. Daemon: it must not hold up the exit.
    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
