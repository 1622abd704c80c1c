"""Equal frames of two links: the n-th copy that one brings pairs with the n-th of the other."""

from collections import deque
from collections.abc import Set
from hashlib import blake2b

from traymon.relay.core.limits import COPY_WINDOW, MOST_REMEMBERED


class _Equals:
    """Equal frames: for each that was given, oldest first, the links that have brought it."""

    def __init__(self) -> None:
        self.given: deque[set[int]] = deque()
        self._forgotten = 0
        # By link: how many of the frames, from the first one ever, are none that it can still be bringing again. So a
        # thousand equal frames cost one look each.
        self._passed: dict[int, int] = {}

    def pairs(self, link: int, met: Set[int] | None) -> bool:
        """Whether a frame from ``link`` is a copy of one that was given; if not, it is given now."""
        at = max(0, self._passed.get(link, 0) - self._forgotten)
        while at < len(self.given):
            links = self.given[at]
            at += 1
            if link not in links and (met is None or links & met):
                links.add(link)
                self._passed[link] = at + self._forgotten
                return True
        self.given.append({link})
        self._passed[link] = at + 1 + self._forgotten
        return False

    def forget_oldest(self) -> None:
        self.given.popleft()
        self._forgotten += 1


class Copies:
    """Knows the frames of the last :data:`~traymon.relay.core.limits.COPY_WINDOW`, by digest."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, _Equals] = {}
        self._in_order: deque[tuple[int, bytes]] = deque()

    def is_copy(self, text: bytes, link: int, met: Set[int] | None, now: int) -> bool:
        """Whether another link has brought this frame; if not, it is remembered as given now.

        ``met``: the links that were up together with ``link``; only their frames can have copies here. ``None``: any
        link's, for a frame that cannot come twice by itself (it carries its own moment).
        """
        self._forget(now)
        digest = blake2b(text, digest_size=16).digest()
        equals = self._by_digest.get(digest)
        if equals is None:
            equals = self._by_digest[digest] = _Equals()
        if equals.pairs(link, met):
            return True
        self._in_order.append((now, digest))
        return False

    def _forget(self, now: int) -> None:
        while self._in_order and (
            self._in_order[0][0] + COPY_WINDOW < now or len(self._in_order) >= MOST_REMEMBERED
        ):
            _, digest = self._in_order.popleft()
            equals = self._by_digest[digest]
            equals.forget_oldest()
            if not equals.given:
                del self._by_digest[digest]

    def __len__(self) -> int:
        return len(self._in_order)
