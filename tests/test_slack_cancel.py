"""An attempt can be called off at any moment, before, in and between its steps."""

import threading

import pytest

from traymon.slack.cancel import Cancel
from traymon.slack.errors import AbandonedError


def test_cancel_calls_the_hook_of_the_step_under_way_once():
    cancel, calls = Cancel(), []

    def step():
        with cancel.watch(lambda: calls.append(1)):
            cancel.cancel()
            cancel.cancel()
            raise OSError("what the hook caused")

    with pytest.raises(AbandonedError):
        step()
    assert calls == [1]
    assert cancel.cancelled


def test_a_step_does_not_begin_after_a_cancel():
    cancel, calls = Cancel(), []
    cancel.cancel()
    with pytest.raises(AbandonedError), cancel.watch(lambda: calls.append(1)):
        calls.append("ran")
    assert calls == []
    with pytest.raises(AbandonedError):
        cancel.check()


def test_a_step_that_ended_is_not_touched():
    cancel, calls = Cancel(), []
    with cancel.watch(lambda: calls.append(1)):
        cancel.check()
    cancel.cancel()
    assert calls == []


def test_the_inner_step_is_watched_then_the_outer_again():
    cancel, calls = Cancel(), []
    with cancel.watch(lambda: calls.append("outer")):
        with cancel.watch(lambda: calls.append("inner")):
            pass
        cancel.cancel()
    assert calls == ["outer"]


def test_an_error_of_the_step_itself_passes():
    with pytest.raises(KeyError), Cancel().watch(lambda: None):
        raise KeyError


def test_cancel_from_another_thread_wakes_the_step():
    cancel, woken, inside = Cancel(), threading.Event(), threading.Event()

    def attempt():
        with cancel.watch(woken.set):
            inside.set()
            assert woken.wait(10)

    worker = threading.Thread(target=attempt)
    worker.start()
    assert inside.wait(10)
    cancel.cancel()
    worker.join(10)
    assert not worker.is_alive()
