"""Which requests are let in at all: those of programs on this machine, and of no web page.

A page that a person looks at can send requests to loopback. Its browser says so in ``Origin`` and ``Sec-Fetch-Site``,
which no page can suppress; and where a page has had its own name lead here (DNS rebinding), ``Host`` tells.
"""

import re

from aiohttp import web

_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])\.?(:\d{1,5})?", re.IGNORECASE)
"""slack_sdk's own WebSocket client leaves the port out."""
_ORIGINS = frozenset({"https://api.slack.com", "https://slack.com"})
"""slack-go sends the first with its WebSocket. A page of Slack's could, too: it still has no token."""
_OF_NO_PAGE = frozenset({"none"})
"""What a browser says where a person typed the address (https://www.w3.org/TR/fetch-metadata/)."""


def is_welcome(request: web.BaseRequest, port: int) -> bool:
    """Whether this may come from a program; ``port`` is the relay's own."""
    headers = request.headers
    hosts = headers.getall("Host", [])
    return (
        len(hosts) == 1
        and _HOST.fullmatch(hosts[0]) is not None
        and all(origin in _ORIGINS or origin in _own(port) for origin in headers.getall("Origin", []))
        and all(site in _OF_NO_PAGE for site in headers.getall("Sec-Fetch-Site", []))
    )


def _own(port: int) -> tuple[str, ...]:
    """websocket-client sends the address that it connects to. No page is there that could."""
    return f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://[::1]:{port}"
