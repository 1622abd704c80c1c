"""What a program is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon import words
from traymon.relay.programs import name_of


@pytest.mark.parametrize(
    ("client", "user_agent", "name"),
    [
        ("", "Python/3.11.7 slackclient/3.47.0 Linux/6.1", "slackclient/3.47.0"),
        (
            "",
            "@slack:socket-mode/3.1.0 @slack:web-api/8.0.0 node/20.20.2 linux/6.1",
            "@slack/socket-mode/3.1.0",
        ),
        ("", "Bolt/1.30.0 Python/3.11.7 slackclient/3.47.0 Linux/6.1", "Bolt/1.30.0"),
        ("", "slack-go/0.12", "slack-go/0.12"),
        ("", "python-requests/2.31 mine", "mine"),
        ("", "", "program"),
        ("", "Python/3.11 node/20", "program"),
        ("answerer", "Python/3.11 slackclient/3.47.0", "answerer"),
        ("  two words ", "", "two words"),
        ("\x1b]0;owned\x07", "", "\\x1b]0;owned\\x07"),
        ("x" * 1000, "", "x" * 60),
    ],
)
def test_it_has_the_name_that_tells_most(client: str, user_agent: str, name: str) -> None:
    assert name_of(client, user_agent) == name


@given(client=st.text(), user_agent=st.text())
def test_whatever_it_says_is_fit_to_be_shown(client: str, user_agent: str) -> None:
    name = name_of(client, user_agent)
    assert 0 < len(name) <= 60
    assert words.printable(name) == name
