"""Finds out, beside the reconnect, how far the way to Slack works: the evidence for why a link died."""

import logging
import threading
from collections.abc import Callable

from traymon.slack.cancel import Cancel
from traymon.slack.diagnosis import Diagnosis
from traymon.slack.errors import AbandonedError

_log = logging.getLogger(__name__)

Diagnose = Callable[[Cancel], Diagnosis]


class Prober:
    """At most one look at a time for one bot; ``found`` is called on the look's own thread."""

    def __init__(self, bot: str, diagnose: Diagnose, found: Callable[[Diagnosis], None]) -> None:
        self._bot = bot
        self._diagnose = diagnose
        self._found = found
        # Guards _cancel: the keeper's thread starts and stops looks, a look's thread ends itself.
        self._lock = threading.Lock()
        self._cancel: Cancel | None = None

    def look(self) -> None:
        """Begin a look, unless one is under way: its answer is as good."""
        with self._lock:
            if self._cancel is not None:
                return
            self._cancel = Cancel()
            # Makes connections of its own, for 3 s at most. Daemon: a name look-up that hangs must not hang the exit.
            thread = threading.Thread(
                target=self._run, args=(self._cancel,), name=f"{self._bot} probe", daemon=True
            )
        thread.start()

    def stop(self) -> None:
        """Give up a look that is under way: nobody wants its answer any more."""
        with self._lock:
            if self._cancel is not None:
                self._cancel.cancel()

    def _run(self, cancel: Cancel) -> None:
        try:
            self._found(self._diagnose(cancel))
        except AbandonedError:
            pass
        except Exception:  # noqa: BLE001 - evidence that cannot be had must not end anything
            _log.exception("%s: an unexpected error in the side probes; the reconnect goes on", self._bot)
        finally:
            with self._lock:
                self._cancel = None
