"""Notifications of Windows and macOS, within what pystray can do there."""

import dataclasses

import pytest

from traymon.notifications.facts import Action, Kind, Show, Urgency
from traymon.notifications.native import LONGEST_BODY, LONGEST_TITLE, NativeNotifier

SHOW = Show(
    "outage:1",
    Kind.OUTAGE,
    False,
    True,
    "deploybot is offline",
    "Why.",
    Urgency.NORMAL,
    (Action.LOG,),
    ("a",),
)


class Icon:
    """pystray's icon as far as notifications go: what it was asked, and the limits of both systems."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str] | None] = []
        self.problem: Exception | None = None

    def notify(self, body: str, title: str) -> None:
        if self.problem:
            raise self.problem
        assert body
        assert title
        assert len(body.encode("utf-16-le")) // 2 < 256
        assert len(title.encode("utf-16-le")) // 2 < 64
        self.asked.append((title, body))

    def remove(self) -> None:
        if self.problem:
            raise self.problem
        self.asked.append(None)


@pytest.fixture
def icon() -> Icon:
    return Icon()


@pytest.fixture
def notifier(icon: Icon) -> NativeNotifier:
    notifier = NativeNotifier(icon.notify, icon.remove)
    notifier.start(lambda _key, _by_person: None, lambda _key, _what: None)
    return notifier


def test_shows_and_takes_away(icon: Icon, notifier: NativeNotifier) -> None:
    notifier.show(SHOW)
    notifier.close(SHOW.key)
    notifier.close(SHOW.key)
    notifier.stop(0)
    assert icon.asked == [("deploybot is offline", "Why."), None]


def test_correction_does_not_pop_up(icon: Icon, notifier: NativeNotifier) -> None:
    notifier.show(SHOW)
    notifier.show(dataclasses.replace(SHOW, pops=False, body="Another why."))
    assert len(icon.asked) == 1


def test_newer_one_is_not_taken_away(icon: Icon, notifier: NativeNotifier) -> None:
    notifier.show(SHOW)
    notifier.show(dataclasses.replace(SHOW, key="person:2"))
    notifier.close(SHOW.key)
    assert None not in icon.asked


def test_long_texts_are_cut_between_characters(icon: Icon, notifier: NativeNotifier) -> None:
    notifier.show(dataclasses.replace(SHOW, title="😀" * 80, body="a" + "😀" * 400))
    ((title, body),) = [each for each in icon.asked if each]
    assert title == "😀" * ((LONGEST_TITLE - 1) // 2) + "…"
    assert body == "a" + "😀" * ((LONGEST_BODY - 2) // 2) + "…"
    notifier.show(dataclasses.replace(SHOW, title="t" * LONGEST_TITLE, body="b" * LONGEST_BODY))
    assert icon.asked[-1] == ("t" * LONGEST_TITLE, "b" * LONGEST_BODY)


def test_never_without_a_title_or_a_body(icon: Icon, notifier: NativeNotifier) -> None:
    notifier.show(dataclasses.replace(SHOW, body=""))
    assert icon.asked == [("deploybot is offline", "deploybot is offline")]
    notifier.show(dataclasses.replace(SHOW, title="", body="b"))
    assert icon.asked[-1] == ("traymon", "b")


def test_failing_system_is_survived(icon: Icon, notifier: NativeNotifier) -> None:
    icon.problem = OSError("the shell hangs")
    notifier.show(SHOW)
    notifier.close(SHOW.key)
    icon.problem = None
    notifier.show(SHOW)
    assert icon.asked == [("deploybot is offline", "Why.")]
