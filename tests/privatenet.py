"""A small internet of a test's own: two network namespaces, a cable between them, a name server and a firewall.

The near side stands for the user's machine, the far side for all the rest. Everything in it has the names and the
addresses of the real thing, and nothing can leave: there is no way out. A test starts a module inside with
:func:`run_inside`; the namespaces are its process', have no names, and are gone when it ends, however it ends. It needs
no rights where the system lets its users have namespaces of their own.

    near: 198.51.100.2  ── cable ──  198.51.100.1 :far: 203.0.113.0/24, on its loopback

The networks are those that RFC 5737 reserves for documentation.
"""

import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.forwarder import Forwarder, open_device
from tests.required import cannot
from tests.slackservers import RawServer

NEAR, GATEWAY, NAME_SERVER = "198.51.100.2", "198.51.100.1", "203.0.113.53"
_CLONE_NEWNET = 0x40000000
_TOOLS = {"unshare": "util-linux", "ip": "iproute2", "nft": "nftables", "mount": "mount"}

T = TypeVar("T")


def run_inside(module: str, *arguments: str, limit_s: float = 100.0) -> str:
    """Run ``python -m module`` inside and give what it prints; skips the test where this system cannot, or fails it
    where the environment says that everything has to be there (CI)."""
    missing = sorted(package for tool, package in _TOOLS.items() if shutil.which(tool, path=_path()) is None)
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = [shutil.which("unshare", path=_path()) or "unshare", *root, "--net", "--mount"]
    if missing:
        cannot(f"needs the packages: {' '.join(missing)}")
    if subprocess.run([*inside, "true"], capture_output=True).returncode:
        cannot("this system allows no network namespaces")
    run = subprocess.run(
        [*inside, sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=limit_s,
        env={**os.environ, "PATH": _path()},
        cwd=Path(__file__).parent.parent,
    )
    assert run.returncode == 0, f"{module} failed inside:\n{run.stderr}"
    return run.stdout


def _path() -> str:
    """Debian keeps these tools where only root looks."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def command(line: str) -> None:
    """Run a command, in the namespace of the calling thread."""
    run = subprocess.run(line.split(), capture_output=True, text=True)
    assert run.returncode == 0, f"{line}: {run.stderr}"


class PrivateNet:
    """The internet as seen from inside; the calling thread is on the near side. For :func:`run_inside`'s process."""

    def __init__(self, folder: Path, names: Mapping[str, str], *, seed: int | None = None) -> None:
        """``names`` is what the name server knows: name → address; the far side has all those addresses.

        With a ``seed`` the cable is a :class:`~tests.forwarder.Forwarder`, and so can be a bad one.
        """
        # The one thread on the far side: what it starts (threads, processes) and opens (sockets) is there too.
        self._far = ThreadPoolExecutor(1, "far", _to_another_namespace)
        self.name_server = NameServer(names)
        command("ip link set lo up")
        self.forwarder: Forwarder | None = None
        if seed is None:
            command(f"ip link add near type veth peer name far netns {self.far(threading.get_native_id)}")
        else:
            self.forwarder = Forwarder(open_device("near"), self.far(open_device, "far"), seed)
            self.forwarder.start()
        command(f"ip address add {NEAR}/24 dev near")
        for line in ("ip link set lo up", f"ip address add {GATEWAY}/24 dev far", "ip link set far up"):
            self.far(command, line)
        for address in {NAME_SERVER, *names.values()}:
            self.far(command, f"ip address add {address}/32 dev lo")
        self.plug_in()
        self._look_up_here(folder)
        self.far(self.name_server.start)

    def far(self, call: Callable[..., T], *arguments: object) -> T:
        """Call something on the far side."""
        return self._far.submit(call, *arguments).result()

    def plug_in(self) -> None:
        """The cable, and the default route over it."""
        command("ip link set near up")
        command(f"ip route replace default via {GATEWAY}")

    def unplug(self) -> None:
        """Pull the cable; the routes over it go too."""
        command("ip link set near down")

    @contextmanager
    def serve(self, address: str, port: int, script: Callable[[socket.socket], None]) -> Iterator[RawServer]:
        """A server on the far side."""
        server = self.far(lambda: RawServer(script, address=(address, port)))
        try:
            yield server
        finally:
            server.stop()

    @contextmanager
    def firewall(self, *rules: str) -> Iterator[None]:
        """Rules of the far side's firewall (nft's language) for what comes over the cable."""
        self.far(command, "nft add table ip fire")
        self.far(command, "nft add chain ip fire in { type filter hook input priority 0 ; }")
        try:
            for rule in rules:
                self.far(command, f'nft add rule ip fire in iifname "far" {rule}')
            yield
        finally:
            self.far(command, "nft delete table ip fire")

    def close(self) -> None:
        """End the threads; the namespaces end with the process."""
        self.far(self.name_server.stop)
        self._far.shutdown()
        if self.forwarder is not None:
            self.forwarder.stop()

    def _look_up_here(self, folder: Path) -> None:
        """Let the system's own look-ups ask our name server and nobody else."""
        files = {
            "resolv.conf": f"nameserver {NAME_SERVER}\nsearch .\n",
            "nsswitch.conf": "hosts: files dns\n",
            "hosts": "127.0.0.1 localhost\n",
        }
        for name, text in files.items():
            if Path("/etc", name).exists():
                (folder / name).write_text(text)
                command(f"mount --bind {folder / name} /etc/{name}")


def _to_another_namespace() -> None:
    """Give the calling thread a network namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


_TYPE_A = 1
_NO_ERROR, _SERVER_FAILURE, _NO_SUCH_NAME = 0, 2, 3  # RFC 1035 4.1.1


class NameServer:
    """Answers for the names it knows (RFC 1035); the others do not exist."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = dict(names)
        self.broken = False
        """Answer nothing but "server failure"."""
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((NAME_SERVER, 53))
        self._thread = threading.Thread(target=self._answer_all, args=(self._socket,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._socket is not None and self._thread is not None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", (NAME_SERVER, 53))  # a question that is none ends it
            self._thread.join(10)
            self._socket.close()

    def _answer_all(self, sock: socket.socket) -> None:
        while True:
            query, sender = sock.recvfrom(4096)
            if not query:
                return
            sock.sendto(self._answer(query), sender)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += 1 + length
        question = query[12 : at + 5]
        kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
        address = self.names.get(".".join(labels).lower())
        code = _SERVER_FAILURE if self.broken else _NO_ERROR if address else _NO_SUCH_NAME
        records = b""
        if kind == _TYPE_A and code == _NO_ERROR and address:
            # The name again (a pointer to byte 12), type A, class IN, no time to live, 4 bytes.
            records = struct.pack("!HHHIH", 0xC00C, _TYPE_A, 1, 0, 4) + socket.inet_aton(address)
        flags = 0x8180 | code  # an answer; recursion wanted and there
        return query[:2] + struct.pack("!HHHHH", flags, 1, bool(records), 0, 0) + question + records
