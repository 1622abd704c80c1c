"""Side probes: what works between this machine and Slack, step by step, while a link is down.

Run beside a reconnect, on a worker's thread, with connections of their own: an attempt neither waits for them nor
shares anything with them. They go where the link goes (the endpoint's proxy and trust), send nothing but handshakes,
and ask nobody else: no third party learns that this machine is offline.

The checks are a chain, and each stands on the one before: an address needs a name, TLS a connection. They share one
limit. A check that had no time to tell anything is skipped rather than blamed for what came before it.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from traymon.keeper.core.causes import Cause, Fact, Failure, Phase
from traymon.slack.cancel import Cancel
from traymon.slack.dial import Address, ask_for_tunnel, connect, resolve
from traymon.slack.endpoint import Endpoint, Proxy, Target
from traymon.slack.errors import AbandonedError, SlackError, failure_of, has_route, without_secrets
from traymon.slack.wire import Wire

LIMIT_S = 3.0
"""Seconds for all checks together: the answer is wanted while the outage is young, and most take 0.2 s."""


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``ms``: how long it took, in milliseconds; ``failure``: why it failed or ran out of time."""

    outcome: Outcome = Outcome.SKIPPED
    ms: int = 0
    failure: Failure | None = None

    @property
    def fact(self) -> str:
        """``ok``, ``skipped`` or the name of a cause."""
        return self.outcome.value if self.failure is None else self.failure.cause.value


_SKIPPED = Check()
_WAY = ("route", "dns", "proxy", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the side probes found."""

    checks: Mapping[str, Check]
    """In the order of the way. ``route``: of this machine, to anywhere; skipped where Slack is this machine itself (a
    test server). ``dns``: Slack's name; skipped where a proxy looks it up. ``proxy``: its name and a connection to it;
    not there where none is on the way. ``tcp``: a connection to Slack, or the proxy's tunnel. ``tls``: the handshake
    and the trust in Slack's certificate."""
    certificate: Mapping[str, Fact] = field(default_factory=dict)
    """Of a certificate that was refused: ``issuer`` (only where the issuer is the reason) and ``subject``."""

    def facts(self) -> dict[str, Fact]:
        """As evidence: ``probe_route`` and so on, each ``ok``, ``skipped`` or the name of a cause.

        ``probe_error`` holds the words for the first that failed, where there are any; ``issuer`` and ``subject`` as in
        ``certificate``.
        """
        facts: dict[str, Fact] = {f"probe_{name}": check.fact for name, check in self.checks.items()}
        failures = [check.failure for check in self.checks.values() if check.failure is not None]
        error = failures[0].evidence.get("error") if failures else None
        if error is not None:
            facts["probe_error"] = error
        return {**facts, **self.certificate}


def diagnose(endpoint: Endpoint, *, cancel: Cancel | None = None, limit_s: float = LIMIT_S) -> Diagnosis:
    """Probe the way to ``endpoint``'s Web API, within ``limit_s`` seconds in all.

    ``cancel`` is this diagnosis' own (an attempt has another); after it was called, AbandonedError is raised. Nothing
    else is: whatever goes wrong is what was to be found out. A look-up that the system does not end is left behind in
    its thread.
    """
    return _Probe(endpoint, cancel or Cancel(), limit_s).run()


class _StopError(Exception):
    """A check failed, so those that stand on it are skipped; carries what it failed with."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


class _Probe:
    """One diagnosis under way, in one thread."""

    def __init__(self, endpoint: Endpoint, cancel: Cancel, limit_s: float) -> None:
        self._endpoint = endpoint
        self._target = Target.of(endpoint.api_url)
        self._cancel = cancel
        self._deadline = time.monotonic() + limit_s
        # At the full limit 1.5 s: the system repeats a lost SYN after 1 s (RFC 6298 2.1), so by then two went
        # unanswered. After less, silence proves nothing about the other side.
        self._patience_s = limit_s / 2
        self._checks: dict[str, Check] = {}
        self._certificate: dict[str, Fact] = {}

    def run(self) -> Diagnosis:
        if not self._target.loopback:
            with suppress(_StopError), self._check("route", Phase.TCP):
                if not has_route():
                    raise SlackError(Failure(Cause.NO_ROUTE, Phase.TCP))
        with suppress(_StopError):
            self._walk()
        if self._checks.get("tcp", _SKIPPED).outcome is Outcome.OK and "route" in self._checks:
            # Reached all the same: a server on this very network, which has no way out and needs none.
            self._checks["route"] = replace(self._checks["route"], outcome=Outcome.OK, failure=None)
        shown = [name for name in _WAY if name in self._checks or name != "proxy"]
        return Diagnosis({name: self._checks.get(name, _SKIPPED) for name in shown}, self._certificate)

    def _walk(self) -> None:
        proxy = self._proxy()
        if proxy is None:
            with self._check("dns", Phase.DNS):
                addresses = self._resolve(self._target.host, self._target.port)
        else:
            with self._check("proxy", Phase.PROXY):
                addresses = self._resolve(proxy.host, proxy.port)
        wire = self._connect(addresses, proxy)
        try:
            self._prove(wire)
        except _StopError as stop:
            if isinstance(stop.reason, ssl.SSLCertVerificationError):
                with suppress(_StopError, OSError):
                    self._read_certificate(addresses, proxy, stop.reason)
            raise
        finally:
            wire.abort()

    def _proxy(self) -> Proxy | None:
        try:
            return self._endpoint.proxy_for(self._target)
        except SlackError as error:
            self._checks["proxy"] = Check(Outcome.FAILED, 0, error.failure)
            raise _StopError(error) from None

    def _resolve(self, host: str, port: int) -> list[Address]:
        return resolve(host, port, self._left(), self._cancel)

    def _connect(self, addresses: list[Address], proxy: Proxy | None) -> Wire:
        """A connection to Slack's port, through the proxy where there is one."""
        if proxy is None:
            with self._check("tcp", Phase.TCP):
                return Wire(connect(addresses, self._left(), self._cancel))
        with self._check("proxy", Phase.PROXY):
            wire = Wire(connect(addresses, self._left(), self._cancel))
        if not self._target.secure:
            return wire  # plain HTTP has no tunnel: the first word would be a request
        try:
            with self._check("tcp", Phase.PROXY), self._cancel.watch(wire.abort):
                ask_for_tunnel(wire, self._target, proxy, self._left(), reached=False)
        except BaseException:
            wire.abort()
            raise
        return wire

    def _prove(self, wire: Wire) -> None:
        if self._target.secure:
            with self._check("tls", Phase.TLS), self._cancel.watch(wire.abort):
                wire.start_tls(self._endpoint.ssl_context(), self._target.host, self._left())

    def _read_certificate(
        self, addresses: list[Address], proxy: Proxy | None, refusal: ssl.SSLCertVerificationError
    ) -> None:
        """Who issued the certificate that was refused, and for whom. On connections that carry nothing else.

        Python shows an unverified certificate as bytes only, and reads none but a verified one. So the bytes are
        asked for, and then a handshake is verified against just these: a certificate that trusts itself gets read.
        An expired one does not, and needs not: that it expired is the answer.
        """
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        shown = self._handshake(addresses, proxy, unverified)
        if shown.peer_certificate is None:
            return
        this_one = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        this_one.check_hostname = False
        this_one.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority to be trusted
        this_one.load_verify_locations(cadata=shown.peer_certificate)
        names = self._handshake(addresses, proxy, this_one).peer_names
        about = {"subject": _subject(names)}
        if getattr(refusal, "verify_code", None) not in _NOT_THE_ISSUER:
            about["issuer"] = _name(names.get("issuer", ()))
        self._certificate.update({key: _short(text) for key, text in about.items() if text})

    def _handshake(self, addresses: list[Address], proxy: Proxy | None, context: ssl.SSLContext) -> Wire:
        found = dict(self._checks)
        try:
            wire = self._connect(addresses, proxy)
        finally:
            self._checks = found  # how these connections fare is no news
        try:
            with self._cancel.watch(wire.abort):
                wire.start_tls(context, self._target.host, self._left())
        finally:
            wire.abort()
        return wire

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    @contextmanager
    def _check(self, name: str, phase: Phase) -> Iterator[None]:
        """Note how the block ends, as the check ``name``. Raises _StopError or AbandonedError."""
        start = time.monotonic()
        try:
            yield
        except AbandonedError:
            raise
        except Exception as reason:  # noqa: BLE001 - whatever a library raises is this check's result
            self._note(name, _check_of(reason, phase, time.monotonic() - start, self._patience_s))
            raise _StopError(reason) from None
        self._note(name, Check(Outcome.OK, _ms(time.monotonic() - start)))

    def _note(self, name: str, check: Check) -> None:
        before = self._checks.get(name, _SKIPPED).ms  # the first part of a check in two
        self._checks[name] = replace(check, ms=before + check.ms)


def _check_of(reason: Exception, phase: Phase, took_s: float, patience_s: float) -> Check:
    failure = without_secrets(failure_of(reason, phase, reached=False))
    if failure.evidence.get("exhausted"):
        return _SKIPPED  # it says nothing about the way
    if not isinstance(reason, TimeoutError) or reason.errno is not None:
        return Check(Outcome.FAILED, _ms(took_s), failure)
    if took_s < patience_s:
        return _SKIPPED
    return Check(Outcome.TIMED_OUT, _ms(took_s), failure)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# Verification errors for which the issuer is not to blame: not valid yet, expired, another host or address. OpenSSL's
# numbers (x509_vfy.h); those of Windows (CERT_E_EXPIRED, CERT_E_CN_NO_MATCH) and macOS (errSecCertificateExpired,
# errSecCertificateNotValidYet, errSecHostNameMismatch), whose own trust truststore asks.
_NOT_THE_ISSUER = frozenset({9, 10, 62, 64, 0x800B0101, 0x800B010F, -67818, -67819, -67602})
_LONGEST_NAME = 100  # characters: evidence, not an essay


def _name(distinguished: Any) -> str:
    """A distinguished name in the words that people know: its common name and organization."""
    fields = {key: str(value) for part in distinguished for key, value in part}
    known = (fields.get("commonName") or fields.get("organizationalUnitName"), fields.get("organizationName"))
    return ", ".join(dict.fromkeys(name for name in known if name))


def _subject(names: Mapping[str, Any]) -> str:
    """The hosts that a certificate is for, some of them; else its subject's name."""
    hosts = [str(value) for _, value in names.get("subjectAltName", ())]
    return ", ".join(hosts[:3]) or _name(names.get("subject", ()))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
