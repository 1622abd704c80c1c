"""How ``traymon status`` and its kin talk to the running traymon: one question, one answer, one connection.

JSON in byte messages of :mod:`multiprocessing.connection` (never its pickle), over a Unix socket of mode 0600 in a
folder of mode 0700, on Windows over a named pipe. Both sides prove that they know a key that only this user can
read. Every message carries the protocol's version, so that a command of another version gets a sentence.

    ControlError
    ├── NotRunning      nobody listens there
    ├── NotAnswering    somebody listens, but the answer did not come in time
    └── OtherVersion    the running traymon speaks another version of this protocol
"""

import contextlib
import logging
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, cast

import msgspec

from traymon import words

Message = dict[str, Any]

VERSION = 1
"""Of the protocol. Counts up when an older command could misread an answer."""
_OF_EVERY_VERSION = ("quit",)
"""What is asked and answered alike in all versions: how else should one be ended so that another can start?"""

ANSWER_LIMIT_S = 5.0
"""For the answer of a traymon that runs. It answers at once; only a process that was stopped takes longer."""
_LARGEST = 1 << 20
"""Bytes of the longest message: a status of thousands of bots fits."""
_PATIENCE_S = 5.0
"""How long a client may keep the server waiting for each of its messages; local processes need milliseconds."""
_MOST_CLIENTS = 32
"""Clients served at once; a person and some scripts need a handful. More are turned away, so that none piles up."""
_FAREWELL_S = 1.0
"""How long :meth:`ControlServer.stop` waits for answers being sent: part of the 2 s that a clean end may take."""

_log = logging.getLogger(__name__)


class ControlError(Exception):
    """A question could not be put. The message is one sentence for a person."""


class NotRunning(ControlError):  # noqa: N818 - a plain statement of what is so
    """No traymon runs for this profile."""


class NotAnswering(ControlError):  # noqa: N818 - a plain statement of what is so
    """One runs, but does not answer."""


class OtherVersion(ControlError):  # noqa: N818 - a plain statement of what is so
    """One runs, but of another version."""


def _running_other() -> OtherVersion:
    return OtherVersion(
        words.gettext(
            "The running traymon is of another version than this command: restart it (“traymon quit”, then start it "
            "again)."
        )
    )


# ------------------------------------------------------------------------------------------------ the answering side


class ControlServer:
    """Answers questions at ``address`` by ``handler``, which gets the question and gives the answer.

    ``handler`` runs on a thread of the client's own, several at once: it must be safe for that and answer soon.
    An exception of its own becomes an answer ``{"ok": false, "error": …}``.
    """

    def __init__(self, address: str, handler: Callable[[Message], Message]) -> None:
        self._address = address
        self._handler = handler
        self._key = secrets.token_bytes(32)
        self._listener: Listener | None = None
        self._stopping = threading.Event()
        # Accepts connections and nothing else: a client that is slow to prove itself is waited for elsewhere.
        self._acceptor: threading.Thread | None = None
        # Guards _waiting and _answering, which the acceptor, each client's thread and stop() use.
        self._lock = threading.Lock()
        # One thread for each client, which reads, answers and ends. Connections of clients that have not asked yet
        # stand beside their thread so that stop() can cut them; once they have asked, it waits for the answer.
        self._waiting: dict[threading.Thread, Connection] = {}
        self._answering: set[threading.Thread] = set()

    def start(self) -> None:
        """Begin to listen. Raises :class:`OSError` when the address cannot be had: traymon runs on without.

        Whatever stands at the address is replaced: only the holder of the profile's lock may call this.
        """
        _make_private_folder(_key_file(self._address).parent)
        if not _is_pipe(self._address):
            _make_private_folder(Path(self._address).parent)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._address)
        _write_key(self._address, self._key)
        # No authkey here: accept() would authenticate inside, and one silent client would block all others.
        self._listener = Listener(self._address, _family(self._address), backlog=16)
        if not _is_pipe(self._address):
            os.chmod(self._address, 0o600)
        self._acceptor = threading.Thread(target=self._accept, name="control", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, let answers under way be sent (at most 1 s), cut the rest. Safe to call twice.

        May be called by the handler itself: its own answer is sent after this returns.
        """
        if self._listener is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._wake_acceptor()
        if self._acceptor is not None:
            self._acceptor.join(_FAREWELL_S)
        with contextlib.suppress(OSError):  # others removed the socket's folder
            self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(_key_file(self._address))
        with self._lock:
            for connection in self._waiting.values():
                _cut(connection)
            threads = [*self._waiting, *self._answering]
        limit = time.monotonic() + _FAREWELL_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, limit - time.monotonic()))

    def _wake_acceptor(self) -> None:
        """Closing a listening socket wakes nobody who waits in accept: a connection of our own does."""
        with contextlib.suppress(OSError, ControlError):
            _connect(self._address, _FAREWELL_S).close()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                connection = _accept_on(self._listener)
            except OSError:
                # Out of descriptors, or a client gone before it was taken: neither may end the service.
                self._stopping.wait(0.2)
                continue
            self._take(connection)

    def _take(self, connection: Connection) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), name="control-client", daemon=True)
        with self._lock:
            taken = not self._stopping.is_set() and len(self._waiting) + len(self._answering) < _MOST_CLIENTS
            if taken:
                self._waiting[thread] = connection
        if not taken:
            connection.close()
            return
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had
            self._forget(thread)
            connection.close()

    def _serve(self, connection: Connection) -> None:
        me = threading.current_thread()
        try:
            _limit(connection, _PATIENCE_S)
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            question = connection.recv_bytes(_LARGEST)
            with self._lock:
                self._waiting.pop(me, None)
                self._answering.add(me)
            connection.send_bytes(msgspec.json.encode(self._answer(question)))
        except (OSError, EOFError, AuthenticationError):
            pass  # the client is gone, silent, or not of this user: nobody to tell
        finally:
            self._forget(me)
            connection.close()

    def _forget(self, thread: threading.Thread) -> None:
        with self._lock:
            self._waiting.pop(thread, None)
            self._answering.discard(thread)

    def _answer(self, question: bytes) -> Message:
        try:
            asked = msgspec.json.decode(question, type=Message)
            if asked.pop("version", None) != VERSION and asked.get("do") not in _OF_EVERY_VERSION:
                return {"version": VERSION, "ok": False, "error": str(_running_other())}
            return {**self._handler(asked), "version": VERSION}
        except msgspec.DecodeError:
            error = words.gettext("The question was not understood.")
        except Exception as defect:  # noqa: BLE001 - a defect in one answer must not end the service
            # Without the traceback: its frames' text may hold what must not be logged.
            _log.error("control request failed: %s", type(defect).__name__)
            error = words.gettext(
                "traymon could not answer because of a defect of its own; the bots are not touched by it."
            )
        return {"version": VERSION, "ok": False, "error": error}


# -------------------------------------------------------------------------------------------------- the asking side


def ask(address: str, request: Message, timeout_s: float = ANSWER_LIMIT_S) -> Message:
    """Put one question to the traymon at ``address`` and give its answer.

    Raises :class:`NotRunning`, :class:`OtherVersion`, or :class:`NotAnswering` after ``timeout_s`` seconds.
    """
    connection = _connect(address, timeout_s)
    with contextlib.closing(connection):
        try:
            key = _read_key(address)
            _limit(connection, timeout_s)
            # A server that turned us away, or is ending, closes: that is an EOF.
            if not connection.poll(timeout_s):
                raise TimeoutError
            answer_challenge(connection, key)
            deliver_challenge(connection, key)
            connection.send_bytes(msgspec.json.encode({**request, "version": VERSION}))
            if not connection.poll(timeout_s):
                raise TimeoutError
            answer = msgspec.json.decode(connection.recv_bytes(_LARGEST), type=Message)
        except AuthenticationError:
            raise NotAnswering(
                words.gettext("What listens in traymon's place is not this user's traymon: restart it.")
            ) from None
        except (EOFError, ConnectionError, FileNotFoundError):
            raise NotRunning(
                words.gettext("traymon is just ending, or took no more questions: try again in a moment.")
            ) from None
        except msgspec.DecodeError:
            raise _running_other() from None
        except OSError:  # the time limits: TimeoutError, and EAGAIN of a socket whose limit has passed
            raise NotAnswering(
                words.gettext(
                    "traymon runs but did not answer within {seconds:g} s: it may be stopped or overloaded."
                ).format(seconds=timeout_s)
            ) from None
    if answer.pop("version", None) != VERSION and request.get("do") not in _OF_EVERY_VERSION:
        raise _running_other()
    return answer


def _connect(address: str, timeout_s: float) -> Connection:
    try:
        return _open(address, timeout_s)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotRunning(words.gettext("traymon is not running: start it with “traymon”.")) from None
    except TimeoutError:
        raise NotAnswering(
            words.gettext("traymon runs but takes no questions: it may be stopped or overloaded.")
        ) from None
    except OSError as error:
        raise NotRunning(
            words.gettext("traymon cannot be asked ({problem}): start it again with “traymon”.").format(
                problem=error.strerror
            )
        ) from None


# --------------------------------------------------------------------------------------------- what platforms differ in


def _is_pipe(address: str) -> bool:
    return address.startswith("\\\\.\\pipe\\")


def _family(address: str) -> str:
    return "AF_PIPE" if _is_pipe(address) else "AF_UNIX"


if sys.platform == "win32":
    # A pipe's connection is a class of its own with the same methods.
    def _accept_on(listener: Listener) -> Connection:
        return cast("Connection", listener.accept())

    def _open(address: str, timeout_s: float) -> Connection:
        return cast("Connection", Client(address, "AF_PIPE"))

    def _limit(connection: Connection, seconds: float) -> None:
        """Pipes have no time limit of their own; only this user's processes can open them."""

    def _cut(connection: Connection) -> None:
        connection.close()

    def _make_private_folder(folder: Path) -> None:
        """Below the user's profile, where Windows itself keeps other users out."""
        folder.mkdir(parents=True, exist_ok=True)

else:
    import struct

    def _accept_on(listener: Listener) -> Connection:
        return listener.accept()

    def _open(address: str, timeout_s: float) -> Connection:
        folder = os.stat(os.path.dirname(address))
        if folder.st_uid != os.getuid():
            raise FileNotFoundError  # somebody else's: what listens there is not ours
        client = socket.socket(socket.AF_UNIX)
        with client:
            # Not settimeout: with that, a server whose queue is full for a moment is an error at once.
            _set_limits(client, timeout_s)
            try:
                client.connect(address)
            except BlockingIOError:
                raise TimeoutError from None
            return Connection(client.detach())

    def _limit(connection: Connection, seconds: float) -> None:
        """Let no read or write on the connection last longer: the system's own limit, as recv_bytes has none."""
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            _set_limits(same, seconds)

    def _set_limits(open_socket: socket.socket, seconds: float) -> None:
        # A struct timeval; all zero would mean no limit.
        limit = struct.pack("@ll", int(seconds), max(1, int(seconds % 1 * 1_000_000)))
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def _cut(connection: Connection) -> None:
        """End the connection under the thread that waits in it; that thread closes it."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    def _make_private_folder(folder: Path) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True, mode=0o700)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(
                words.gettext("{folder} is not a folder of this user").format(folder=folder)
            )
        os.chmod(folder, 0o700)


def _key_file(address: str) -> Path:
    if _is_pipe(address):
        return Path(tempfile.gettempdir()) / "traymon" / (address.rpartition("\\")[2] + ".key")
    return Path(address + ".key")


def _write_key(address: str, key: bytes) -> None:
    """Put a new key in place of the last run's, readable for this user only."""
    path = _key_file(address)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)


def _read_key(address: str) -> bytes:
    return _key_file(address).read_bytes()
