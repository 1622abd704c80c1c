"""``Set up a bot…``: the page with its server, started when it is first opened."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from traymon.config import DEFAULT_API_URL
from traymon.desktop.opening import open_address
from traymon.paths import Profile

if TYPE_CHECKING:
    from traymon.setup.server import Server

IDLE_LIMIT_S = 900.0
"""A page that was opened and left: long enough to make an app at Slack and to copy its token."""


class SetupPage:
    """One set-up page at a time. Costs nothing until it is opened; ends by itself when a bot is kept, or unused."""

    def __init__(
        self,
        profile: Profile,
        on_done: Callable[[str], None],
        status: Callable[[str], Mapping[str, Any] | None],
        *,
        open_url: Callable[[str], str | None] = open_address,
        api_url: str = DEFAULT_API_URL,
        idle_limit_s: float = IDLE_LIMIT_S,
    ) -> None:
        """``on_done`` is told the name of a bot that was kept; when it returns, the app has taken the bot in. It may
        raise :class:`~traymon.desktop.control.ControlError`. ``status`` gives the bot as ``traymon status --json``
        does, ``None`` where it is not known yet. Both run on a thread of the page's.

        ``open_url`` shows an address in the browser; ``None``, or what the problem is. The address is a secret.
        """
        self._profile = profile
        self._on_done = on_done
        self._status = status
        self._open_url = open_url
        self._api_url = api_url
        self._idle_limit_s = idle_limit_s
        # Guards _server: the tray's worker opens, the main thread closes.
        self._lock = threading.Lock()
        self._server: Server | None = None

    def open(self) -> str | None:
        """Show the page, the one that is open already if there is one. ``None``, or what the problem is.

        Raises OSError where no port can be had. May take some seconds; must not be called on a thread that draws.
        """
        return self._open_url(self.address())

    def address(self) -> str:
        """An address that shows the page once. A secret: for its owner's browser or terminal only. Raises OSError."""
        with self._lock:
            server = self._server
            if server is None or server.ending.is_set():
                server = self._server = self._start()
            return server.open_address()

    def close(self) -> None:
        """End the page, at most within 2 s. Idempotent."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until the page has ended, by itself or by :meth:`close`; false where ``timeout_s`` was over before."""
        server = self._server
        return server is None or server.ended.wait(timeout_s)

    def _start(self) -> "Server":
        # aiohttp and jinja2 cost 15 MB, which only those pay who set up a bot.
        from traymon.setup.document import Document
        from traymon.setup.server import Server
        from traymon.setup.steps import Steps

        steps = Steps(self._profile, self._on_done, self._status)
        server = Server(steps, Document(self._api_url), idle_limit_s=self._idle_limit_s)
        server.start()
        return server
