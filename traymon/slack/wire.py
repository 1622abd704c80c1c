"""A connected TCP socket, with or without TLS, on which every wait has a limit and can be ended from any thread.

websocket-client and http.client read and write it as they would a socket. Under them stands what neither has: limits
on the whole of a step rather than on each read, sends that cannot be held up by a waiting read, and an end that wakes
whoever waits. The socket never blocks; TLS runs in memory (:class:`ssl.MemoryBIO`), so one thread may read while
another writes, which an :class:`ssl.SSLSocket` does not promise before Python 3.13.
"""

import contextlib
import io
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

_CHUNK = 65_536
_HEAD = 48  # first bytes shown as evidence, as many as slackwire shows of a frame
_TLS_RECORDS = (
    b"\x15",
    b"\x16",
)  # RFC 8446 5.1: how an answer to a ClientHello begins, an alert or a handshake
_HEAD_KEPT = 1_024  # more are kept, so that a secret is found whole before it is cut

# Windows does not document that shutting a socket down wakes select(): there a wait looks up now and then.
_LONGEST_WAIT_S = 5.0 if sys.platform == "win32" else None


class WireAbortedError(Exception):
    """Another thread ended the wire, or it was ended before."""


class TooMuchError(Exception):
    """More came than an answer of this kind can have."""


class Wire:
    """One TCP connection. One thread reads; any thread may send or abort. Times are of ``time.monotonic``, in s."""

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # Held for a whole send, so that frames do not mix and ciphertext leaves in the order in which it was made.
        # Any thread takes it, always with a time limit; taken before _tls_lock.
        self._send_lock = threading.Lock()
        # Held for one call into OpenSSL, never while waiting: its objects bear one thread at a time.
        self._tls_lock = threading.Lock()
        # Guards _users and _aborted: the descriptor is closed by abort() or, if threads are inside, by the last to
        # leave, so that none of them ever touches a descriptor that already belongs to something else.
        self._state_lock = threading.Lock()
        self._users = 0
        self._aborted = False
        self.deadline: float | None = None
        """When the step under way is over: reads then raise TimeoutError. Set by the reading thread."""
        self.allowance: int | None = None
        """Bytes that may still be read before :class:`TooMuchError`; ``None``: any. Set by the reading thread."""
        self.read_ahead = False
        """Take in all that is there and hand out what is asked for: websocket-client asks byte by byte. Not before TLS,
        which reads the socket past this. Set by the reading thread."""
        self._ahead = b""  # taken in, handed out up to _ahead_at; only the reading thread
        self._ahead_at = 0
        self.secret = b""
        """What was sent and must not come back as evidence: some servers echo a request in their refusal."""
        self._head = b""
        self._tls_head = b""

    @property
    def first_bytes(self) -> str:
        """The first bytes that came, printable and escaped: evidence of who answered."""
        return printable_bytes(hidden(self._head, self.secret))

    @property
    def first_not_tls(self) -> str:
        """As :attr:`first_bytes`, of what came in place of a TLS handshake; nothing where it was TLS."""
        return (
            "" if self._tls_head[:1] in _TLS_RECORDS else printable_bytes(hidden(self._tls_head, self.secret))
        )

    @property
    def local_address(self) -> str:
        """The address of this machine that the connection is bound to."""
        with self._inside():
            return str(self._raw.getsockname()[0])

    def start_tls(self, context: ssl.SSLContext, host: str, limit_s: float) -> None:
        """Make it a TLS connection to ``host``. Raises ssl.SSLError, OSError, TimeoutError or WireAbortedError."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        deadline = time.monotonic() + limit_s
        with self._inside():
            while True:
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    self._flush(deadline)
                    self._feed(deadline)
                except ssl.SSLError:
                    with contextlib.suppress(OSError):
                        self._flush(deadline)  # the alert that tells the other side why
                    raise
                else:
                    break
            self._flush(deadline)
        self._tls = tls

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the other side showed, as DER; ``None`` without TLS."""
        return None if self._tls is None else self._tls.getpeercert(binary_form=True)

    @property
    def peer_names(self) -> Mapping[str, Any]:
        """What :meth:`ssl.SSLSocket.getpeercert` reads of it: nothing, where it was not verified."""
        return (None if self._tls is None else self._tls.getpeercert()) or {}

    def recv(self, size: int) -> bytes:
        """At least one byte and at most ``size``; ``b""`` at the end of the stream, with or without TLS's own end.

        Raises OSError, TimeoutError (after ``deadline``), TooMuchError or WireAbortedError.
        """
        data = self._from_ahead(size)
        if not data:
            most = max(size, _CHUNK) if self.read_ahead else size
            with self._inside():
                data = self._recv_plain(most) if self._tls is None else self._recv_tls(self._tls, most)
            if len(data) > size:
                self._ahead, self._ahead_at = data, 0
                data = self._from_ahead(size)
        if self.allowance is not None:
            self.allowance -= len(data)
            if self.allowance < 0:
                raise TooMuchError
        if len(self._head) < _HEAD_KEPT:
            self._head += data[: _HEAD_KEPT - len(self._head)]
        return data

    def send(self, data: bytes) -> int:
        """Send all of ``data`` before ``deadline``: for the libraries, while they ask for an answer."""
        assert self.deadline is not None, "a library sends only within a step"
        self.send_all(data, max(0.0, self.deadline - time.monotonic()))
        return len(data)

    def sendall(self, data: bytes) -> None:
        """As :meth:`send`."""
        self.send(data)

    def send_all(self, data: bytes, limit_s: float) -> None:
        """Send all of ``data`` within ``limit_s`` or raise TimeoutError, OSError or WireAbortedError.

        After an error part of ``data`` may be on its way: nothing more can be sent that the other side would
        understand, so the caller aborts.
        """
        deadline = time.monotonic() + limit_s
        with self._inside():
            if not self._send_lock.acquire(timeout=limit_s):
                raise TimeoutError
            try:
                if self._tls is None:
                    self._send_plain(data, deadline)
                else:
                    with self._tls_lock:
                        self._tls.write(data)
                    self._drain(deadline)
            finally:
                self._send_lock.release()

    def abort(self) -> None:
        """End the connection at once and wake whoever waits on it. From any thread; never blocks; idempotent."""
        with self._state_lock:
            if self._aborted:
                return
            self._aborted = True
            with contextlib.suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)
            if self._users == 0:
                self._raw.close()

    # What the libraries expect of a socket

    close = abort

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """A file to read from, for http.client."""
        return io.BufferedReader(_Reader(self))

    def gettimeout(self) -> float | None:
        """No timeout of its own: ``deadline`` is the limit."""
        return None

    def settimeout(self, timeout: float | None) -> None:
        """Ignored, for the same reason."""

    # Within

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Around every use of the descriptor: keeps it from being closed, and names an error that abort() made."""
        with self._state_lock:
            if self._aborted:
                raise WireAbortedError
            self._users += 1
        try:
            yield
        except (OSError, ssl.SSLError):
            if self._aborted:
                raise WireAbortedError from None
            raise
        finally:
            with self._state_lock:
                self._users -= 1
                if self._aborted and self._users == 0:
                    self._raw.close()

    def _from_ahead(self, size: int) -> bytes:
        """What was taken in before; nothing where that is used up."""
        data = self._ahead[self._ahead_at : self._ahead_at + size]
        self._ahead_at += len(data)
        if data and self._aborted:
            raise WireAbortedError
        if self._ahead_at == len(self._ahead):
            self._ahead, self._ahead_at = b"", 0
        return data

    def _recv_plain(self, size: int) -> bytes:
        while True:
            try:
                data = self._raw.recv(size)
            except (BlockingIOError, InterruptedError):
                self._wait(selectors.EVENT_READ, self.deadline)
                continue
            if not data and self._aborted:
                raise WireAbortedError
            return data

    def _recv_tls(self, tls: ssl.SSLObject, size: int) -> bytes:
        while True:
            try:
                with self._tls_lock:
                    data = tls.read(size)
            except ssl.SSLWantReadError:
                self._answer_tls()
                self._feed(self.deadline)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError:
                # The stream ended without TLS's close_notify: many servers hang up so, it is an end like any other.
                if self._incoming.eof:
                    return b""
                raise
            else:
                return data

    def _feed(self, deadline: float | None) -> None:
        """Hand ciphertext from the socket to TLS; the end of the stream too."""
        while True:
            try:
                data = self._raw.recv(_CHUNK)
            except (BlockingIOError, InterruptedError):
                self._wait(selectors.EVENT_READ, deadline)
                continue
            break
        if not data and self._aborted:
            raise WireAbortedError
        if not self._tls_head:
            self._tls_head = data[:_HEAD_KEPT]
        with self._tls_lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _answer_tls(self) -> None:
        """Send what TLS itself wants to say after a read (a key update); rare, and never worth a long wait."""
        if self._outgoing.pending:
            self._flush(time.monotonic() + 2.0)

    def _flush(self, deadline: float) -> None:
        if not self._send_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        try:
            self._drain(deadline)
        finally:
            self._send_lock.release()

    def _drain(self, deadline: float) -> None:
        """Send what TLS has ready; the caller holds _send_lock."""
        while True:
            with self._tls_lock:
                data = self._outgoing.read()
            if not data:
                return
            self._send_plain(data, deadline)

    def _send_plain(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._raw.send(rest) :]
            except (BlockingIOError, InterruptedError):
                self._wait(selectors.EVENT_WRITE, deadline)

    def _wait(self, event: int, deadline: float | None) -> None:
        """Wait until the socket may be ready; TimeoutError after ``deadline``."""
        while True:
            if self._aborted:
                raise WireAbortedError
            limit_s = None if deadline is None else deadline - time.monotonic()
            if limit_s is not None and limit_s <= 0:
                raise TimeoutError
            if _LONGEST_WAIT_S is not None:
                limit_s = _LONGEST_WAIT_S if limit_s is None else min(limit_s, _LONGEST_WAIT_S)
            with new_selector() as selector:
                selector.register(self._raw, event)
                if selector.select(limit_s):
                    return


def hidden(data: bytes, secret: bytes) -> bytes:
    """``data`` with ``secret`` made unreadable."""
    return data.replace(secret, b"***") if secret else data


def printable_bytes(data: bytes) -> str:
    """The first bytes of ``data`` as slackwire shows those of a frame: ASCII, the rest and the backslash escaped."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data[:_HEAD]
    )


def new_selector() -> selectors.BaseSelector:
    """The lightest selector for one wait: poll, which needs no descriptor of its own and has no limit of 1,024."""
    if sys.platform == "win32":
        return selectors.SelectSelector()
    return selectors.PollSelector()


class _Reader(io.RawIOBase):
    """A wire as a raw file. Closing it leaves the wire open."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._wire.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)
