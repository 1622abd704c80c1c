"""Kinds of tokens."""

import pytest

from traymon.slackwire.tokens import kind_of


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("xoxb-1", "bot"),
        ("xoxp-1", "user"),
        ("xapp-1-A", "app"),
        ("xoxe.xoxb-1", "rotating"),
        ("xoxe.xoxp-1", "rotating"),
        ("xoxe-1", "refresh"),
        ("xoxc-1", "session"),
        ("xoxa-2", "legacy"),
        ("XOXB-1", "unknown"),
        ("xoxb", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_kind_is_told_by_the_beginning(token, kind):
    assert kind_of(token) == kind
