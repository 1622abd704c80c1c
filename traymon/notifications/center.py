"""The thread that runs the policy of notifications, and the one that carries out what a person clicks on them."""

import logging
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from traymon.desktop.clocks import Clocks, system_clocks
from traymon.notifications.base import Notifier
from traymon.notifications.facts import (
    Acted,
    Action,
    BotNow,
    Closed,
    Enabled,
    Event,
    Kind,
    Quit,
    Seen,
    Show,
    Tick,
    Urgency,
)
from traymon.notifications.policy import Policy

_log = logging.getLogger(__name__)

_KEPT = 16
"""Notifications whose clicks are still understood: desktops keep old ones in a list."""

OnAction = Callable[[str, str | None], None]
"""Called with ``reconnect`` or ``log``, and the bot, or ``None`` where the notification was about several."""


class Center:
    """Tells the desktop of outages. Every method returns at once, but :meth:`stop`; any thread may call them."""

    def __init__(
        self,
        notifier: Notifier,
        on_action: OnAction,
        *,
        clocks: Clocks | None = None,
        policy: Policy | None = None,
    ) -> None:
        """``on_action`` is called on a thread of its own, for one click after the other."""
        self._notifier = notifier
        self._clocks = clocks or system_clocks()
        self._policy = policy or Policy()
        self._clicks = _Clicks(on_action)
        # Guards the two below. Whoever has news puts it there, the thread takes it; nobody does more while holding it.
        self._news = threading.Condition()
        self._events: deque[tuple[Event | Show, int]] = (
            deque()
        )  # a Show: what is not for the policy to decide
        self._seen: tuple[Event, int] | None = (
            None  # only the newest: a thread held up must not pile up pictures
        )
        # What was shown, for clicks: the center's thread writes and the notifier's reads, each in one step.
        self._shown: OrderedDict[str, Show] = OrderedDict()
        # Alone calls the policy and the notifier. Daemon, and joined in stop(): a desktop's notifier may hang.
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Begin. What was told before counts."""
        self._notifier.start(self._closed, self._clicked)
        self._thread.start()

    def changed(self, bots: Sequence[BotNow]) -> None:
        """How all bots are now."""
        seen = Seen(tuple(bots), self._clocks.wall())
        with self._news:
            self._seen = (seen, self._clocks.now())
            self._news.notify()

    def set_enabled(self, on: bool) -> None:
        """The person's setting. Off takes away what is shown."""
        self._tell(Enabled(on))

    def notice(self, title: str, body: str) -> None:
        """Answer something that the person just did; shown whatever the setting, as it was asked for."""
        show = Show(
            key="notice",
            kind=Kind.NOTICE,
            replaces=True,
            pops=True,
            title=title,
            body=body,
            urgency=Urgency.NORMAL,
            actions=(),
            bots=(),
        )
        self._tell(show)

    def stop(self, limit_s: float) -> None:
        """Take away what is shown, and end, within ``limit_s`` seconds. Without :meth:`start`, nothing."""
        if not self._thread.is_alive():
            return
        end = self._clocks.now() + round(limit_s * 1000)
        self._tell(Quit())
        self._thread.join(limit_s)
        self._notifier.stop(max(0.0, (end - self._clocks.now()) / 1000))
        self._clicks.stop()

    def _tell(self, event: Event | Show) -> None:
        with self._news:
            self._events.append((event, self._clocks.now()))
            self._news.notify()

    # From the notifier

    def _closed(self, key: str, by_person: bool) -> None:
        self._tell(Closed(key, by_person))

    def _clicked(self, key: str, what: str) -> None:
        show = self._shown.get(key)
        if show is None or not show.actions:
            return
        self._tell(Acted(key))
        chosen = show.actions[0] if what == "default" else what
        if chosen in show.actions:
            self._clicks.choose(str(chosen), show.bots[0] if len(show.bots) == 1 else None)

    # On the center's own thread

    def _run(self) -> None:
        while True:
            event, at = self._next()
            try:
                effects = [event] if isinstance(event, Show) else self._policy.receive(event, at)
                for effect in effects:
                    if isinstance(effect, Show):
                        self._remember(effect)
                        self._notifier.show(effect)
                    else:
                        self._notifier.close(effect.key)
            except Exception:  # noqa: BLE001 - the next change must be told all the same
                _log.exception("a notification failed; traymon goes on")
            if isinstance(event, Quit):
                return

    def _next(self) -> tuple[Event | Show, int]:
        """The next event and its instant, at the latest a Tick at the policy's deadline."""
        with self._news:
            while True:
                if self._events:
                    return self._events.popleft()
                if self._seen is not None:
                    seen, self._seen = self._seen, None
                    return seen
                deadline = self._policy.deadline
                left = None if deadline is None else deadline - self._clocks.now()
                if left is not None and left <= 0:
                    return Tick(), self._clocks.now()
                self._news.wait(None if left is None else left / 1000)

    def _remember(self, show: Show) -> None:
        self._shown[show.key] = show
        while len(self._shown) > _KEPT:
            self._shown.popitem(last=False)


class _Clicks:
    """Carries out clicks, on a thread that exists from the first one on."""

    def __init__(self, on_action: OnAction) -> None:
        self._on_action = on_action
        # Clicks from the notifier's thread to the worker; None ends it.
        self._chosen: queue.SimpleQueue[tuple[str, str | None] | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None

    def choose(self, what: str, bot: str | None) -> None:
        """Carry it out soon. For the notifier's thread alone."""
        self._chosen.put((what, bot))
        if self._worker is None:
            # Calls on_action, nobody else does. Daemon: a callback that never returns must not keep the process alive.
            self._worker = threading.Thread(target=self._work, name="notification clicks", daemon=True)
            self._worker.start()

    def stop(self) -> None:
        """Nothing after what is under way."""
        self._chosen.put(None)

    def _work(self) -> None:
        while (chosen := self._chosen.get()) is not None:
            try:
                self._on_action(*chosen)
            except Exception:  # noqa: BLE001 - the next click must work all the same
                _log.exception("the click %r on a notification failed; traymon goes on", Action(chosen[0]))
