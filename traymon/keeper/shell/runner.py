"""One link's life in one thread: the attempt, then the reading, then the end. It only posts events."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from traymon.desktop.watch.network import still_ours
from traymon.keeper.core import events as ev
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import Farewell
from traymon.keeper.shell.traffic import RELIEF_LIMIT_S, Traffic
from traymon.slack.cancel import Cancel
from traymon.slack.errors import SlackError
from traymon.slack.lastwords import last_word
from traymon.slack.link import ControlFrame, Link, PongSeen
from traymon.slackwire import frames
from traymon.slackwire.api import ConnectAnswer

_log = logging.getLogger(__name__)

CLOSE_LIMIT_S = 1.0
"""How long Slack's own close frame is waited for. RFC 6455 7.1.1 lets the client close after a reasonable time."""


class Connector(Protocol):
    """Makes one link to Slack; every call asks for a fresh URL."""

    def open(
        self,
        *,
        step_limit_s: float,
        tcp_limit_s: float,
        on_answered: Callable[[ConnectAnswer | None], None],
        cancel: Cancel,
    ) -> Link:
        """Open a WebSocket, not waiting for ``hello``. Raises SlackError; may be cancelled from any thread."""
        ...


class LinkRunner:
    """Runs attempt and link number ``number``; ``post`` takes its events from this runner's thread."""

    def __init__(
        self,
        bot: str,
        number: int,
        connector: Connector,
        post: Callable[[ev.Event], None],
        on_answered: Callable[[ConnectAnswer | None], None],
        traffic: Traffic | None = None,
    ) -> None:
        self._number = number
        self._connector = connector
        self._post = post
        self._on_answered = on_answered
        self._traffic = traffic
        self._cancel = Cancel()
        self._name = f"{bot} link {number}"
        # Guards _link and _dropped: the keeper's thread drops, this runner's thread opens; whoever comes second
        # sees what the first did, so that a link that comes up late is closed.
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._dropped: Farewell | None = None
        self._phase = Phase.HELLO  # only this runner's thread
        # Opens the link, then reads it until its end. Daemon: a step that hangs in the system must not hang the exit.
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)

    def start(self, step_limit_ms: int, tcp_limit_ms: int) -> None:
        """Begin the attempt."""
        self._step_limit_s, self._tcp_limit_s = step_limit_ms / 1000, tcp_limit_ms / 1000
        self._thread.start()

    def ping(self, number: int) -> None:
        """Send a ping from the keeper's thread; a link that cannot take it ends."""
        link = self._link
        if link is None:
            return
        try:
            link.send_ping(number)
        except SlackError as error:
            self._post(ev.LinkEnded(self._number, error.failure))
            link.abort()

    def drop(self, how: Farewell) -> threading.Thread | None:
        """Let go of the attempt or link. Returns the thread that says goodbye to Slack, if one is needed."""
        with self._lock:
            self._dropped = how
            link = self._link
        if link is None:
            self._cancel.cancel()
            return None
        if how is Farewell.ABORT:
            link.abort()
            return None
        # Waits in the keeper's stead, for what is due and for Slack's close frame. Daemon: both are bounded anyway.
        closer = threading.Thread(
            target=self._close, args=(link, how), name=f"{self._name} close", daemon=True
        )
        closer.start()
        return closer

    def send(self, text: str) -> bool:
        """Send a program's message; whether the system took it. Blocks for at most Link's ``SEND_LIMIT_S``.

        A link that cannot take it ends, and its reader tells why.
        """
        link = self._link
        if link is None:
            return False
        try:
            link.send_text(text)
        except SlackError:
            return False
        return True

    def _close(self, link: Link, how: Farewell) -> None:
        if how is Farewell.RELIEVE and self._traffic is not None:
            self._traffic.relieve(self._number).wait(RELIEF_LIMIT_S)
        link.close(CLOSE_LIMIT_S)

    def lost_address(self) -> bool:
        """Whether the address that the link is bound to is no longer this machine's."""
        link = self._link
        return link is not None and not still_ours(link.local_address)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        failure, said_so = self._until_the_end()
        if self._traffic is not None:
            self._traffic.down(self._number)
        self._post(ev.LinkEnded(self._number, failure))
        link = self._link
        if link is not None and said_so:
            # In peace, and after the news: the registration of a Socket Mode link that is not closed stays for hours.
            link.close(CLOSE_LIMIT_S)
        elif link is not None:
            link.abort()

    def _until_the_end(self) -> tuple[Failure, bool]:
        """Live; why it ended, and whether the link itself said that it is over."""
        said_so = False
        try:
            failure = self._live()
            said_so = True
        except SlackError as error:
            failure = error.failure
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the keeping: named, logged, retried
            _log.exception("%s: an unexpected error ended the link", self._name)
            evidence = {"error": type(error).__name__}
            failure = Failure(Cause.PROTOCOL_ERROR, Phase.LIVE, reached_slack=True, evidence=evidence)
        return failure, said_so

    def _live(self) -> Failure:
        """Open, then read until the link says that it is over. Raises SlackError where it is so without a word."""
        link = self._connector.open(
            step_limit_s=self._step_limit_s,
            tcp_limit_s=self._tcp_limit_s,
            on_answered=self._answered,
            cancel=self._cancel,
        )
        with self._lock:
            dropped = self._dropped
            self._link = link
        if dropped is not None:
            link.close(CLOSE_LIMIT_S)
            return Failure(Cause.USER, Phase.LOCAL)
        self._post(ev.LinkOpened(self._number))
        while True:
            frame = link.receive()
            event = self._event_of(frame)
            if isinstance(event, Failure):
                return event
            self._post(event)
            if self._traffic is not None:
                self._pass_on(self._traffic, frame, link.message)

    def _pass_on(self, traffic: Traffic, frame: frames.Frame | ControlFrame, message: bytes) -> None:
        if isinstance(frame, frames.Hello):
            traffic.up(self._number, frame)
        elif isinstance(frame, frames.Other) and self._phase is Phase.LIVE:
            traffic.message(self._number, message)

    def _answered(self, answer: ConnectAnswer | None) -> None:
        self._post(ev.ApiAnswered(self._number))
        self._on_answered(answer)

    def _event_of(self, frame: frames.Frame | ControlFrame) -> ev.Event | Failure:
        number = self._number
        if (failure := last_word(frame, self._phase)) is not None:
            return failure
        match frame:
            case frames.Hello(num_connections):
                self._phase = Phase.LIVE
                return ev.HelloReceived(number, num_connections)
            case frames.Pong(reply_to):
                return ev.PongReceived(number, reply_to)
            case PongSeen(payload) if payload.isdigit():
                return ev.PongReceived(number, int(payload))
            case frames.Disconnect():
                return ev.GoodbyeReceived(number, Cause.REFRESH)
            case frames.Goodbye():
                return ev.GoodbyeReceived(number)
            case _:
                return ev.FrameReceived(number)
