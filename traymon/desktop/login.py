"""What a start at login waits for, and says once: a tray that no panel offers, a keyring that nobody has unlocked.

traymon goes on meanwhile: the tray appears as soon as a panel brings one, and a bot goes online as soon as its token
can be read. There is no terminal at login, so that a person learns of it by a notification or not at all; and much that
is missing in the first seconds of a session comes by itself.
"""

import threading
from collections.abc import Callable, Iterable, Mapping

from traymon import words

GRACE_S = 20.0
"""From the start to the first look: panels, their extensions and the keyring are up some seconds after the login."""
LOOK_EACH_S = 10.0
WATCH_S = 300.0
"""So long it is looked for what is missing; a keyring's question may stand on the screen for two minutes before."""
_END_LIMIT_S = 1.0

Problem = Callable[[], str | None]
"""What is missing now: a sentence for a person, ``None`` where nothing is. Called on the notices' thread."""


class LoginNotices:
    """Looks at each problem until it has been told once, or :data:`WATCH_S` have passed."""

    def __init__(self, problems: Iterable[Problem], notify: Callable[[str], None]) -> None:
        """``notify`` shows a sentence; it is called on the notices' thread, once for each problem at most."""
        self._untold = list(problems)
        self._notify = notify
        # Set once, by stop(); the thread waits for it between its looks.
        self._ended = threading.Event()
        # Makes the looks. Daemon, and joined in stop(): it holds nothing, but a problem may ask a bus that hangs.
        self._thread = threading.Thread(target=self._run, name="login", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """End, within a second."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(_END_LIMIT_S)

    def _run(self) -> None:
        self.watch(self._ended.wait)

    def watch(self, wait: Callable[[float], bool]) -> None:
        """All the looks. ``wait`` waits for so many seconds, and says whether it is over."""
        before: dict[Problem, str] = {}
        pause, watched = GRACE_S, 0.0
        while self._untold and watched < WATCH_S and not wait(pause):
            watched, pause = watched + pause, LOOK_EACH_S
            now = self._missing()
            # Only what is missing at two looks: one may fall into a change.
            for problem in [each for each in now if each in before]:
                self._untold.remove(problem)
                self._notify(now[problem])
            before = now

    def _missing(self) -> dict[Problem, str]:
        return {problem: sentence for problem in self._untold if (sentence := problem())}


def no_tray(environ: Mapping[str, str]) -> str:
    """That no panel shows the icon, and what would; for GNOME, which has no tray of its own, the extension's name."""
    if "GNOME" in environ.get("XDG_CURRENT_DESKTOP", "").split(":"):
        return words.gettext(
            "traymon runs, but GNOME shows no tray icons by itself: install the extension “AppIndicator and "
            "KStatusNotifierItem Support”, and the icon appears; until then, “traymon status” says how the bots are."
        )
    return words.gettext(
        "traymon runs, but no panel here has a tray: add one to the panel, and the icon appears; until then, “traymon "
        "status” says how the bots are."
    )


def no_token(waiting: Mapping[str, str]) -> str | None:
    """``waiting``: by bot, why its token cannot be read yet. One sentence for all; ``None`` where none waits."""
    if not waiting:
        return None
    names = ", ".join(words.printable(name) for name in waiting)
    return words.gettext("{bots}: offline until the token can be read. {why}").format(
        bots=names, why=words.printable(next(iter(waiting.values())))
    )
