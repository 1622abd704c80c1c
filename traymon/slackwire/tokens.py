"""What kind of token it is, by its beginning. Source: https://docs.slack.dev/authentication/tokens."""

from typing import Literal

Kind = Literal["bot", "user", "app", "rotating", "refresh", "session", "legacy", "unknown"]

# The longer beginnings first.
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("xoxe.xox", "rotating"),
    ("xoxe-", "refresh"),
    ("xoxb-", "bot"),
    ("xoxp-", "user"),
    ("xapp-", "app"),
    ("xoxc-", "session"),
    ("xoxd-", "session"),
    ("xoxs-", "session"),
    ("xoxa-", "legacy"),
    ("xoxr-", "legacy"),
    ("xoxo-", "legacy"),
)


POSTING = frozenset({"chat:write", "chat:write:bot", "bot"})
"""Scopes, any of which lets a bot post (https://docs.slack.dev/reference/methods/chat.postMessage)."""


def kind_of(token: str) -> Kind:
    """What ``token`` is."""
    return next((kind for start, kind in _KINDS if token.startswith(start)), "unknown")
