"""What every tray shares: views, and the thread that clicks run on."""

import logging
import threading

import pytest

from traymon.tray.base import Clicks, IconName, MenuItem, TrayView, walk

PATIENCE_S = 20.0


def test_default_is_the_first_enabled_item_marked_so() -> None:
    menu = (
        MenuItem("a", "A"),
        MenuItem("b", "B", default=True, enabled=False),
        MenuItem("c", "C", submenu=(MenuItem("d", "D", default=True),)),
        MenuItem("e", "E", default=True),
    )
    assert TrayView(IconName.ONLINE, "", "", menu).default_id == "d"
    assert TrayView(IconName.ONLINE, "", "", menu[:2]).default_id is None
    assert [item.id for item in walk(menu)] == ["a", "b", "c", "d", "e"]


def test_clicks_run_in_order_on_their_own_thread() -> None:
    seen: list[tuple[str, bool]] = []
    caller = threading.get_ident()
    clicks = Clicks(lambda item: seen.append((item, threading.get_ident() == caller)))
    clicks.choose("before the start")
    clicks.start()
    clicks.choose("after")
    clicks.stop()
    assert seen == [("before the start", False), ("after", False)]


def test_a_choice_that_fails_is_logged_and_the_next_works(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def choose(item: str) -> None:
        if item == "bad":
            raise ValueError("no")
        seen.append(item)

    clicks = Clicks(choose)
    clicks.start()
    clicks.choose("bad")
    clicks.choose("good")
    clicks.stop()
    assert seen == ["good"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "'bad'" in record.getMessage()


def test_choosing_never_waits_for_a_slow_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traymon.tray.base.WORKER_PATIENCE_S", 0.01)
    held, begun = threading.Event(), threading.Event()

    def slow(_: str) -> None:
        begun.set()
        held.wait(PATIENCE_S)

    clicks = Clicks(slow)
    clicks.start()
    clicks.choose("slow")
    assert begun.wait(PATIENCE_S)
    clicks.choose("next")
    clicks.stop()
    assert not held.is_set()
    held.set()


def test_a_choice_may_stop_the_clicks() -> None:
    done = threading.Event()

    def quit_(_: str) -> None:
        clicks.stop()
        done.set()

    clicks = Clicks(quit_)
    clicks.start()
    clicks.choose("quit")
    assert done.wait(PATIENCE_S)
