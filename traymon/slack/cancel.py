"""A way to call off an attempt from another thread, in whatever step it is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from traymon.slack.errors import AbandonedError


class Cancel:
    """Shared by the worker that makes an attempt and whoever may call it off. :meth:`cancel` may come at any time.

    Only a name look-up inside the operating system cannot be ended; it is left behind in a thread of its own.
    """

    def __init__(self) -> None:
        # Guards both fields: the canceller and the worker each see what the other did first.
        self._lock = threading.Lock()
        self._cancelled = False
        self._hook: Callable[[], None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was called off."""
        return self._cancelled

    def cancel(self) -> None:
        """Call the attempt off: the step under way ends at once. From any thread; never blocks; idempotent."""
        with self._lock:
            self._cancelled = True
            hook, self._hook = self._hook, None
        if hook is not None:
            hook()

    def check(self) -> None:
        """Raise :class:`~traymon.slack.errors.AbandonedError` if the attempt was called off."""
        if self._cancelled:
            raise AbandonedError

    @contextmanager
    def watch(self, hook: Callable[[], None]) -> Iterator[None]:
        """While the block runs, :meth:`cancel` calls ``hook``, which must wake it and must not block.

        Raises AbandonedError where the attempt was called off before, and instead of whatever error the hook caused.
        """
        with self._lock:
            if self._cancelled:
                raise AbandonedError
            before, self._hook = self._hook, hook
        try:
            yield
        except Exception:
            if self._cancelled:
                raise AbandonedError from None
            raise
        finally:
            with self._lock:
                if self._hook is hook:
                    self._hook = before
