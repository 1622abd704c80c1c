"""Where Slack is and how to get there: one decision about proxy and trust for the Web API and the WebSocket.

slack_sdk ignores ``NO_PROXY`` and websocket-client ignores what the system has set; so neither is asked.
"""

import ipaddress
import ssl
import sys
import threading
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from traymon import words
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.slack.errors import SlackError

DEFAULT_API_URL = "https://slack.com/api/"

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SECURE = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class Target:
    """One host to connect to."""

    host: str
    port: int
    secure: bool
    """With TLS."""

    @classmethod
    def of(cls, url: str) -> "Target":
        """The target of an ``http``, ``https``, ``ws`` or ``wss`` URL; raises ValueError, without quoting it."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except ValueError:
            raise ValueError("not a URL") from None
        if scheme not in _PORTS or not host:
            raise ValueError("not a URL of http, https, ws or wss")
        return cls(host, port or _PORTS[scheme], scheme in _SECURE)

    @property
    def loopback(self) -> bool:
        """Whether it is this machine itself."""
        name = self.host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. The credentials are in no repr."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    """The value of ``Proxy-Authorization``."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One bot's way to Slack: the address of its Web API, and its own proxy and certificates, if any."""

    api_url: str = DEFAULT_API_URL
    proxy: str | None = field(default=None, repr=False)
    """``http://[user:password@]host:port``; ``None``: as the environment and the system say."""
    ca_file: Path | None = None
    """PEM certificates to trust *instead of* the system's."""

    def proxy_for(self, target: Target) -> Proxy | None:
        """The proxy on the way to ``target``, or none. Raises SlackError for one that cannot be used."""
        if target.loopback:
            return None
        if self.proxy:
            return _proxy(self.proxy)
        known = urllib.request.getproxies()
        url = known.get("https" if target.secure else "http") or known.get("all")
        if not url or urllib.request.proxy_bypass(f"{target.host}:{target.port}"):
            return None
        return _proxy(url)

    def ssl_context(self) -> ssl.SSLContext:
        """The trust for every TLS connection of this endpoint. Raises SlackError for an unusable ``ca_file``."""
        return _context(self.ca_file)


def _proxy(url: str) -> Proxy:
    """Read a proxy's address; ``host:port`` alone is a common way to write it."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad_proxy(words.mark("its address is no URL")) from None
    if parts.scheme != "http":
        raise _bad_proxy(f"{parts.scheme} proxies are not supported, only http")
    if not host:
        raise _bad_proxy(words.mark("its address names no host"))
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + b64encode(pair.encode()).decode()
    return Proxy(host, port or _PORTS["http"], authorization)


def _bad_proxy(reason: str) -> SlackError:
    return SlackError(Failure(Cause.PROXY, Phase.PROXY, evidence={"error": reason}))


# One context for each ca_file (None: the system's trust): it costs 26 ms and 0.8 MB and serves any number of links.
_contexts: dict[Path | None, ssl.SSLContext] = {}
# One for each ca_file: workers of several bots ask at once, and none should pay for a context that is thrown away. Held
# while a context is made; a file that hangs (a dead network mount) holds up nobody but those who trust it.
_making: dict[Path | None, threading.Lock] = {}
# Guards _making, for a look-up only.
_making_lock = threading.Lock()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    with _making_lock:
        making = _making.setdefault(ca_file, threading.Lock())
    with making:
        context = _contexts.get(ca_file)
        if context is None:
            # Kept only when it was made: a file that is missing now can be there at the next attempt.
            context = _contexts[ca_file] = _trusting(ca_file) if ca_file else _system_context()
        return context


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        reason = words.mark("ca_file holds no certificate that can be read")
    except OSError as error:
        reason = f"ca_file cannot be read ({error.strerror})"
    raise SlackError(Failure(Cause.TLS, Phase.TLS, evidence={"error": reason}))


def _system_context() -> ssl.SSLContext:
    """The system's own trust: truststore asks Windows or macOS itself.

    On Linux the trust is files, and OpenSSL finds them. truststore would have it look anew for each connection, which
    OpenSSL 3.0 to 3.3 answers by adding one more look-up each time and searching them all (openssl issue 21067): a
    program that reconnects for ever must not.
    """
    if sys.platform in ("win32", "darwin"):
        import truststore  # neither needed nor loaded elsewhere

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not _has_certificates(paths.capath):
        # A Python built elsewhere looks where this system keeps nothing.
        for candidate in _CA_FILES:
            if candidate.is_file():
                context.load_verify_locations(cafile=candidate)
                break
    return context


_CA_FILES = tuple(
    Path(path)
    for path in (
        "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
        "/etc/ssl/ca-bundle.pem",  # SUSE
        "/etc/ssl/cert.pem",  # Alpine, BSD
    )
)


def _has_certificates(folder: str | None) -> bool:
    """Whether a folder holds certificates under their hashes, as OpenSSL looks them up."""
    return folder is not None and any(Path(folder).glob("[0-9a-f]*.[0-9]"))
