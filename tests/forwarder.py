"""A cable of any quality: IPv4 packets carried between two TUN devices, late, unevenly, with losses, or not at all.

It stands where this kernel's ``netem`` would. What it does is decided by its seed: the n-th packet of the m-th flow in
a direction has the same fate in every run. It also keeps books: when it passed bytes that the other side could use.
"""

import fcntl
import heapq
import os
import random
import selectors
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["up", "down"]
"""``up``: from the near side (the user's machine) to the far one."""

# linux/if_tun.h: the request, and a device that carries bare IP packets.
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_LARGEST = 65_536
_TCP = 6
_FIN, _SYN = 0x01, 0x02


def open_device(name: str) -> int:
    """Make the TUN device ``name`` in the calling thread's namespace; its descriptor. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to packets of one direction. Their order is kept, as on a real path: jitter delays those behind."""

    latency_ms: int = 0
    jitter_ms: int = 0
    """Each packet takes up to so much longer."""
    loss: float = 0.0
    """The part of the packets that is lost; 1: nothing passes."""


FAIR = Weather()
BLOCKED = Weather(loss=1.0)


class Progress:
    """How far the bytes of one direction of one TCP connection have come without a gap."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._ahead: list[tuple[int, int]] = []

    def take(self, sequence: int, length: int, *, syn: bool = False) -> bool:
        """A segment passed; whether its receiver has more to read now. ``length`` counts a FIN as one byte."""
        if syn:
            if self._expected is None:
                self._expected = (sequence + 1) % 2**32
            return False
        if self._expected is None:
            self._expected = sequence
        if length == 0:
            return False
        self._ahead.append((sequence, (sequence + length) % 2**32))
        before = self._expected
        while usable := [each for each in self._ahead if _distance(self._expected, each[0]) <= 0]:
            for each in usable:
                self._ahead.remove(each)
                if _distance(self._expected, each[1]) > 0:
                    self._expected = each[1]
        return self._expected != before


def _distance(one: int, other: int) -> int:
    """From ``one`` to ``other``; sequence numbers wrap (RFC 9293 3.4)."""
    return (other - one + 2**31) % 2**32 - 2**31


@dataclass(slots=True)
class Flow:
    """One conversation, by its two ends, ``address:port``. Times are UTC ms."""

    near: str
    far: str
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    """When bytes passed with which the near side could do something: TCP's repetitions and what came after a gap do
    not count, nor do bare acknowledgements."""
    forgotten: bool = False


@dataclass(slots=True)
class _Lane:
    """One direction of one flow."""

    fate: random.Random
    progress: Progress = field(default_factory=Progress)


class Forwarder:
    """Carries packets from :meth:`start` to :meth:`stop`. All methods may be called from any thread."""

    def __init__(self, near: int, far: int, seed: int) -> None:
        """``near`` and ``far`` are descriptors of :func:`open_device`; they are closed by :meth:`stop`."""
        self._ends: dict[Direction, tuple[int, int]] = {"up": (near, far), "down": (far, near)}
        self._seed = seed
        # Guards all the books and settings below it: the carrier's thread writes most, tests change and read.
        self._lock = threading.Lock()
        self._weather: dict[Direction, Weather] = {"up": FAIR, "down": FAIR}
        self._paused = False
        self._flows: dict[tuple[str, str], Flow] = {}
        self._lanes: dict[tuple[Direction, str, str], _Lane] = {}
        self._lost = {"up": 0, "down": 0}
        self._passed = {"up": 0, "down": 0}
        # Only the carrier's thread touches these: what is on its way, by arrival, and the last arrival of each way.
        self._on_the_way: list[tuple[float, int, Direction, bytes]] = []
        self._last_due: dict[Direction, float] = {"up": 0.0, "down": 0.0}
        self._count = 0
        # Wakes the carrier: after resume() and for the end.
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ended = False
        # The carrier: waits for packets and for their time.
        self._thread = threading.Thread(target=self._carry, name="forwarder", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self) -> None:
        """End, and close the devices."""
        self._ended = True
        self._ring()
        self._thread.join(10)
        for descriptor in (self._bell, *self._ends["up"]):
            os.close(descriptor)

    def weather(self, *, up: Weather | None = None, down: Weather | None = None) -> None:
        """Change what happens to the packets that set out from now on, in one direction or both."""
        with self._lock:
            self._weather["up"] = up or self._weather["up"]
            self._weather["down"] = down or self._weather["down"]

    def pause(self) -> None:
        """Hold everything up, losing nothing."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        """Let go what was held up, at once, and go on."""
        with self._lock:
            self._paused = False
        self._ring()

    def forget_flows(self) -> None:
        """Drop whatever belongs to the conversations there are, as a NAT does that lost its table; new ones pass."""
        with self._lock:
            for flow in self._flows.values():
                flow.forgotten = True

    def flows(self) -> list[Flow]:
        """The books, in the order in which the conversations began."""
        with self._lock:
            return [Flow(f.near, f.far, [*f.up], [*f.down], f.forgotten) for f in self._flows.values()]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many packets passed and were lost, by direction."""
        with self._lock:
            return {"passed": dict(self._passed), "lost": dict(self._lost)}

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _carry(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            for direction, (origin, _) in self._ends.items():
                selector.register(origin, selectors.EVENT_READ, direction)
            while not self._ended:
                for key, _ in selector.select(self._until_next()):
                    if key.data is None:
                        os.eventfd_read(self._bell)
                    else:
                        self._pick_up(key.data)
                self._deliver()

    def _until_next(self) -> float | None:
        if self._paused or not self._on_the_way:
            return None
        return max(0.0, self._on_the_way[0][0] - time.monotonic())

    def _pick_up(self, direction: Direction) -> None:
        while True:
            try:
                packet = os.read(self._ends[direction][0], _LARGEST)
            except OSError:  # no more, or the device is down
                return
            if packet[0] >> 4 != 4:
                continue  # IPv6 has no business here
            with self._lock:
                delay_ms = self._judge(direction, packet)
            if delay_ms is None:
                continue
            due = max(time.monotonic() + delay_ms / 1000, self._last_due[direction])
            self._last_due[direction] = due
            self._count += 1
            heapq.heappush(self._on_the_way, (due, self._count, direction, packet))

    def _judge(self, direction: Direction, packet: bytes) -> float | None:
        """How long the packet takes, ms; ``None``: it is lost. Two numbers of fate each time, used or not."""
        flow, lane = self._of(direction, packet)
        weather = self._weather[direction]
        luck, pace = lane.fate.random(), lane.fate.random()
        if flow.forgotten and direction == "up" and _begins(packet):
            flow.forgotten = False
        if flow.forgotten or luck < weather.loss:
            self._lost[direction] += 1
            return None
        return weather.latency_ms + pace * weather.jitter_ms

    def _deliver(self) -> None:
        while not self._paused and self._on_the_way and self._on_the_way[0][0] <= time.monotonic():
            _, _, direction, packet = heapq.heappop(self._on_the_way)
            try:
                os.write(self._ends[direction][1], packet)
            except OSError:  # the device there is down: a cable that was pulled
                with self._lock:
                    self._lost[direction] += 1
                continue
            with self._lock:
                self._book(direction, packet)

    def _book(self, direction: Direction, packet: bytes) -> None:
        self._passed[direction] += 1
        flow, lane = self._of(direction, packet)
        head = (packet[0] & 0x0F) * 4
        if packet[9] != _TCP or len(packet) < head + 20:
            return
        sequence = struct.unpack_from("!I", packet, head + 4)[0]
        flags = packet[head + 13]
        size = struct.unpack_from("!H", packet, 2)[0] - head - (packet[head + 12] >> 4) * 4
        if lane.progress.take(sequence, size + bool(flags & _FIN), syn=bool(flags & _SYN)):
            getattr(flow, direction).append(time.time_ns() // 1_000_000)

    def _of(self, direction: Direction, packet: bytes) -> tuple[Flow, _Lane]:
        near, far = _ends_of(direction, packet)
        flow = self._flows.setdefault((near, far), Flow(near, far))
        lane = self._lanes.get((direction, near, far))
        if lane is None:
            number = list(self._flows).index((near, far))
            lane = _Lane(random.Random(f"{self._seed} {direction} {number}"))
            self._lanes[direction, near, far] = lane
        return flow, lane


def _begins(packet: bytes) -> bool:
    """Whether a NAT makes an entry for it: TCP's first segment, and any datagram, such as a question to a name server
    that is asked again from the same port."""
    head = (packet[0] & 0x0F) * 4
    return packet[9] != _TCP or (len(packet) > head + 13 and bool(packet[head + 13] & _SYN))


def _ends_of(direction: Direction, packet: bytes) -> tuple[str, str]:
    """Near and far end. Protocols without ports, and a datagram's later parts, count as port 0."""
    head = (packet[0] & 0x0F) * 4
    ports = (0, 0)
    if packet[9] in (_TCP, 17) and len(packet) >= head + 4 and not packet[7] and not packet[6] & 0x1F:
        ports = struct.unpack_from("!HH", packet, head)
    source, target = (
        f"{'.'.join(map(str, packet[at : at + 4]))}:{port}" for at, port in zip((12, 16), ports, strict=True)
    )
    return (source, target) if direction == "up" else (target, source)
