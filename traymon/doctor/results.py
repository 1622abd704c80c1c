"""What the doctor finds: one result for each check, kept in sections that one thread fills and another reads."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from traymon import words
from traymon.secrets import SecretUnavailable
from traymon.slack.advice import advice
from traymon.slack.errors import AbandonedError, SlackError


class Outcome(StrEnum):
    """How a check ended. The names are data in ``--json``."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a sentence for a person and, unless all is well, what to do."""

    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """One check. ``check`` is its stable name; ``ms``: how long it took, in milliseconds."""

    check: str
    outcome: Outcome
    ms: int
    text: str


def check_name(check: str) -> str:
    """What a check is called when shown to a person."""
    return {
        "config": words.gettext("configuration"),
        "token": words.gettext("token"),
        "route": words.gettext("route"),
        "proxy": words.gettext("proxy"),
        "dns": words.gettext("DNS"),
        "tcp": words.gettext("TCP"),
        "tls": words.gettext("TLS"),
        "api": words.gettext("Web API"),
        "scopes": words.gettext("scopes"),
        "clock": words.gettext("clock"),
        "websocket": words.gettext("WebSocket"),
        "hello": words.gettext("hello"),
        "ping": words.gettext("ping"),
        "running": words.gettext("running"),
        "tray": words.gettext("tray"),
        "notifier": words.gettext("notifications"),
        "keyring": words.gettext("keyring"),
        "database": words.gettext("database"),
        "log_folder": words.gettext("log folder"),
    }[check]


def guarded(work: Callable[[], Finding]) -> Finding:
    """What ``work`` finds; whatever it raises is a finding too."""
    try:
        return work()
    except AbandonedError:
        return Finding(Outcome.FAILED, out_of_time())
    except SlackError as error:
        return Finding(Outcome.FAILED, advice(error.failure))
    except SecretUnavailable as error:
        return Finding(Outcome.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - one check's trouble must not hide the others' results
        return Finding(
            Outcome.FAILED,
            words.gettext(
                "This could not be checked ({kind}). If it stays so, please report it with what “traymon "
                "--debug doctor” says."
            ).format(kind=type(error).__name__),
        )


def out_of_time() -> str:
    """A check did not end while there was time."""
    return words.gettext(
        "This did not end in time, so it hangs or is very slow. Run traymon doctor again; if it stays so, this is "
        "the place to look."
    )


class Section:
    """The checks of one bot, or of the machine. One or more threads add; one reads, in the order of the checks."""

    def __init__(self, name: str, transport: str, checks: tuple[str, ...], *, chained: bool) -> None:
        """``chained``: each check stands on those before it."""
        self.name = name
        self.transport = transport
        self.checks = checks
        self._chained = chained
        self._secrets: tuple[str, ...] = ()
        # Guards _results and wakes the reader: workers add while the main thread waits for the next one in order.
        self._changed = threading.Condition()
        self._results: dict[str, Result] = {}

    def hide(self, secret: str) -> None:
        """Show ``secret`` in no text, whoever repeats it. Before the first check that uses it."""
        self._secrets = (*self._secrets, secret)

    def run(self, check: str, work: Callable[[], Finding]) -> Outcome:
        """Make a check, and add its result."""
        start = time.monotonic()
        finding = guarded(work)
        self.add(check, finding, round((time.monotonic() - start) * 1000))
        return finding.outcome

    def add(self, check: str, finding: Finding, ms: int = 0) -> None:
        """Add a result; ``ms`` is what it took, in milliseconds."""
        assert check in self.checks
        text = finding.text
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "•••")
        result = Result(check, finding.outcome, ms, words.printable(text))
        with self._changed:
            self._results[check] = result
            self._changed.notify_all()

    def skip_rest(self, after: str) -> None:
        """No further check is made, as ``after`` failed."""
        for check in self.checks:
            if check not in self._results:
                self.add(check, not_tried(after))

    def results(self, deadline: float) -> Iterator[Result]:
        """Every result as it comes, in order. At ``deadline`` (``time.monotonic()``) what is not there has failed."""
        stuck = None
        for check in self.checks:
            with self._changed:
                self._changed.wait_for(
                    lambda check=check: check in self._results,  # type: ignore[misc] # its default is its value
                    max(0.0, deadline - time.monotonic()),
                )
                result = self._results.get(check)
            if result is None and stuck is not None and self._chained:
                result = Result(check, Outcome.SKIPPED, 0, not_tried(stuck).text)
            elif result is None:
                stuck = check
                result = Result(check, Outcome.FAILED, 0, out_of_time())
            yield result


def not_tried(after: str) -> Finding:
    """A check that stands on ``after``, which failed."""
    text = words.gettext("Not tried, as it needs “{check}”.").format(check=check_name(after))
    return Finding(Outcome.SKIPPED, text)
