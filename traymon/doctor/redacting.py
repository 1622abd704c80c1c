"""Text made fit for a public issue: without secrets, and without what says whose machine it is.

Written to leave out too much rather than too little: what looks like a host name is taken for one unless it is known to
be Slack's, a method's or a file's of traymon's own. The same name always becomes the same stand-in, so that what
happened can still be followed.
"""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

from traymon import words
from traymon.secrets import redacted

_HIDDEN = "•••"
_SHORTEST_NAME = 2
"""Letters of a name that is looked for in free text; one letter would be found everywhere, and says nothing."""
_PLAIN_NAMES = frozenset({"bot", "traymon", "slack", "localhost", "root"})
"""Names that say nothing of anybody, and are words of every other line."""

# Slack's own, the same for all; a workspace's host (acme.slack.com) is not among them.
_OPEN_HOSTS = frozenset(
    {
        "slack.com",
        "api.slack.com",
        "wss-primary.slack.com",
        "wss-backup.slack.com",
        "wss-mobile.slack.com",
        "slack-gov.com",
        "api.slack-gov.com",
    }
)
_NO_HOST = re.compile(
    r"(?:rtm\.(?:connect|start)|auth\.test|apps\.connections\.open|users\.getPresence"
    r"|org\.(?:freedesktop|kde)\.[\w.]+|(?:sessions|config)\.(?:log|toml))$"
)

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_WEB_URL = re.compile(r"(\bhttps?://)([^\s\"'<>/]+)([^\s\"'<>]*)", re.IGNORECASE)
_HOME = re.compile(r"""(?:/home/|/Users/|\b[A-Za-z]:\\Users\\)[^/\\\s"'<>:,;)]+""")
_HOST = re.compile(r"(?<![\w.-])(?:[\w-]+\.)+[^\W\d_][\w-]*[^\W\d_](?![\w-])")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]*:[0-9A-Fa-f:.]*[0-9A-Fa-f:](?:%\w+)?(?![\w:])")
# Slack's ids: of users, teams, channels, apps …; a word in capitals has no digit.
_SLACK_ID = re.compile(r"\b(?=[A-Z0-9]*\d)([ABCDEGTUW])[A-Z0-9]{7,}\b")
# What nobody writes by hand: tickets, hashes, keys.
_OPAQUE = re.compile(r"(?<![\w+-])(?=[\w+-]*\d)(?=[\w+-]*[A-Za-z])[\w+-]{24,}(?![\w+-])")


class Redactor:
    """Hides what it was told of and what it recognises."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._stand_ins: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._names: re.Pattern[str] | None = None

    def hide(self, kind: str, names: Iterable[str | None]) -> None:
        """Have each of ``names`` (of bots, hosts, folders …) replaced by ``kind-1``, ``kind-2`` …"""
        for name in names:
            if name and name.strip():
                self._stand_in(kind, name)
        known = {form for name in self._stand_ins for form in (name, words.printable(name))}
        known = {name for name in known if len(name) >= _SHORTEST_NAME and name not in _PLAIN_NAMES}
        found = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        self._names = re.compile(rf"(?<!\w)(?:{found})(?!\w)", re.IGNORECASE) if found else None

    def name(self, name: str) -> str:
        """The stand-in of a name that was hidden."""
        return self._known(name) or _HIDDEN

    def text(self, text: str) -> str:
        """``text`` with everything hidden, on one line."""
        text = words.printable(redacted(text))
        text = _EMAIL.sub(_HIDDEN, text)
        text = _WEB_URL.sub(self._url, text)
        if len(self._home) > 1:
            text = text.replace(self._home, "~").replace(words.printable(self._home), "~")
        text = _HOME.sub("~", text)
        if self._names is not None:
            text = self._names.sub(lambda found: self._known(found[0]) or _HIDDEN, text)
        text = _HOST.sub(lambda found: self._host(found[0]), text)
        for pattern in (_IPV4, _IPV6):
            text = pattern.sub(lambda found: self._address(found[0]), text)
        text = _SLACK_ID.sub(r"\1…", text)
        return _OPAQUE.sub(_HIDDEN, text)

    def _stand_in(self, kind: str, name: str) -> str:
        key = name.casefold()
        if key not in self._stand_ins:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._stand_ins[key] = f"{kind}-{self._counts[kind]}"
        return self._stand_ins[key]

    def _known(self, found: str) -> str | None:
        """Of a name as it is, or in its printable form."""
        found = found.casefold()
        if found in self._stand_ins:
            return self._stand_ins[found]
        return next(
            (stand_in for name, stand_in in self._stand_ins.items() if words.printable(name) == found), None
        )

    def _url(self, found: re.Match[str]) -> str:
        scheme, place, path = found.groups()
        if place.lower() in _OPEN_HOSTS and "?" not in path:
            return found[0]
        user, at, host_port = place.rpartition("@")
        host, colon, port = host_port.partition(":")
        # Names with a dot and addresses are found by their looks.
        if host and host.isidentifier() and host.lower() not in _PLAIN_NAMES:
            host = self._stand_in("host", host)
        return f"{scheme}{user}{at}{host}{colon}{port}" + (f"/{_HIDDEN}" if path.strip("/.,;:)") else path)

    def _host(self, host: str) -> str:
        if host.lower() in _OPEN_HOSTS or _NO_HOST.match(host):
            return host
        return self._stand_in("host", host)

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text  # a time, a version
        if address.is_loopback or address.is_unspecified:
            return text
        return self._stand_in("address", text)
