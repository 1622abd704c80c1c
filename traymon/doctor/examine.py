"""All examinations at once, each bot's and the machine's, within one limit; read in order."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from traymon.config import BotConfig
from traymon.doctor import desktop, machine
from traymon.doctor.bot import BotExamination
from traymon.doctor.results import Finding, Section
from traymon.paths import Profile

LIMIT_S = 27.0
"""For everything, so that the command ends within 30 s even if all hangs."""
_LAST_WORD_S = 1.0
"""Before the limit what still runs is called off, so that it can say itself where it was."""

_MACHINE = ("running", "tray", "notifier", "keyring", "database", "log_folder")


class Examination:
    """The checks of ``bots`` and of this machine, begun by :meth:`start`."""

    def __init__(self, profile: Profile, bots: Sequence[BotConfig], environ: Mapping[str, str]) -> None:
        self._profile = profile
        self._bots = bots
        self._environ = environ
        self._deadline = 0.0
        self.sections: list[Section] = []
        """The bots' in their order, then the machine's; their results come until :attr:`deadline`."""

    @property
    def deadline(self) -> float:
        """Of ``time.monotonic()``."""
        return self._deadline

    def start(self) -> None:
        """Begin everything. Waits only for the answer of a running traymon; the rest depends on that."""
        start = time.monotonic()
        self._deadline = start + LIMIT_S
        running = machine.look_for_running(self._profile)
        asked_ms = round((time.monotonic() - start) * 1000)
        examinations = [
            BotExamination(
                bot, self._profile.name, running=running.runs, deadline=self._deadline - _LAST_WORD_S
            )
            for bot in self._bots
        ]
        of_machine = Section("", "", _MACHINE, chained=False)
        self.sections = [*(each.section for each in examinations), of_machine]
        of_machine.add("running", running.finding, asked_ms)
        for each in examinations:
            _in_background(each.run, f"examine {each.section.name}")
        for check, work in self._of_machine(running).items():
            _in_background(partial(of_machine.run, check, work), f"examine {check}")

    def _of_machine(self, running: machine.Running) -> Mapping[str, Callable[[], Finding]]:
        return {
            "tray": partial(desktop.tray, self._environ, running.tray),
            "notifier": partial(desktop.notifier, self._environ),
            "keyring": partial(machine.keyring, self._bots, self._profile.name),
            "database": partial(machine.database, self._profile.db),
            "log_folder": partial(machine.folders, self._profile),
        }


def _in_background(work: Callable[[], object], name: str) -> None:
    # One for each bot and check, so that what hangs holds up nothing else. Daemon: nor the exit.
    threading.Thread(target=work, name=name, daemon=True).start()
