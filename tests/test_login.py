"""What a start at login says: once, and only of what is still missing after a while."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from tests.support import PATIENCE_S
from traymon.desktop import login
from traymon.desktop.login import GRACE_S, LOOK_EACH_S, WATCH_S, LoginNotices, no_token, no_tray


class Session:
    """Time of its own, and what is missing at which second of it."""

    def __init__(self, ends_at: float = 10_000) -> None:
        self.now = 0.0
        self.ends_at = ends_at
        self.told: list[tuple[float, str]] = []
        self.looks = 0

    def wait(self, seconds: float) -> bool:
        self.now = min(self.now + seconds, self.ends_at)
        return self.now >= self.ends_at

    def missing(self, what: str, start: float, end: float = 10_000):
        def problem() -> str | None:
            self.looks += 1
            return what if start <= self.now < end else None

        return problem

    def watch(self, *problems) -> list[tuple[float, str]]:
        LoginNotices(problems, lambda sentence: self.told.append((self.now, sentence))).watch(self.wait)
        return self.told


def test_what_stays_missing_is_told_once():
    session = Session()
    assert session.watch(session.missing("tray", 0)) == [(GRACE_S + LOOK_EACH_S, "tray")]
    assert session.looks == 2, "and then nothing is looked for any more"


def test_what_comes_by_itself_is_not_told():
    session = Session()
    assert session.watch(session.missing("tray", 0, GRACE_S + LOOK_EACH_S / 2)) == []


def test_a_keyring_whose_question_was_refused_late_is_told_too():
    session = Session()
    told = session.watch(session.missing("keyring", 120), session.missing("tray", 0))
    assert [sentence for _, sentence in told] == ["tray", "keyring"]
    assert 120 <= told[1][0] <= 120 + 2 * LOOK_EACH_S


def test_the_end_of_the_program_ends_it():
    session = Session(ends_at=GRACE_S / 2)
    assert session.watch(session.missing("tray", 0)) == []
    assert session.looks == 0


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400)), max_size=3))
def test_each_problem_at_most_once_and_not_for_ever(stretches):
    session = Session()
    problems = [
        session.missing(str(number), start, start + length)
        for number, (start, length) in enumerate(stretches)
    ]
    told = session.watch(*problems)
    assert len({sentence for _, sentence in told}) == len(told)
    assert session.now <= WATCH_S + LOOK_EACH_S
    for at, sentence in told:
        start, length = stretches[int(sentence)]
        assert start <= at - LOOK_EACH_S
        assert at < start + length


def test_the_thread_tells_and_ends(monkeypatch):
    monkeypatch.setattr(login, "GRACE_S", 0.01)
    monkeypatch.setattr(login, "LOOK_EACH_S", 0.01)
    told, heard = [], threading.Event()

    def notify(sentence):
        told.append(sentence)
        heard.set()

    notices = LoginNotices([lambda: "tray", lambda: None], notify)
    notices.start()
    assert heard.wait(PATIENCE_S)
    notices.stop()
    assert told == ["tray"]
    notices._thread.join(PATIENCE_S)
    assert not notices._thread.is_alive()


def test_stopping_one_that_was_never_started():
    LoginNotices([], print).stop()


def test_gnomes_extension_is_named_on_gnome_only():
    for desktop in ("GNOME", "ubuntu:GNOME", "GNOME-Classic:GNOME"):
        assert "AppIndicator and KStatusNotifierItem Support" in no_tray({"XDG_CURRENT_DESKTOP": desktop})
    for environ in ({}, {"XDG_CURRENT_DESKTOP": "XFCE"}):
        assert "AppIndicator" not in no_tray(environ)


def test_one_sentence_for_all_bots_that_wait():
    assert no_token({}) is None
    said = no_token({"a": "The keyring is locked: unlock it.", "b\x1b": "The keyring is locked: unlock it."})
    assert said == "a, b\\x1b: offline until the token can be read. The keyring is locked: unlock it."
