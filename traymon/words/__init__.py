"""Every sentence for people, in one place, through gettext: English is the source.

Names of causes and states are data and stay as they are in logs and JSON; what stands here is what they mean to a
person. The bottom layer of the package: it takes and gives plain strings and imports nothing of traymon.

What comes from outside (a close reason, an error code, a host name) passes :func:`printable` before it becomes
part of a sentence, so every text made here can be printed to a terminal as it is.
"""

from traymon.words.causes import cause, probes, short_cause, state
from traymon.words.columns import columns, padded, wrapped
from traymon.words.demo import (
    demo_fin,
    demo_goodbye,
    demo_intro,
    demo_refuse,
    demo_scene,
    demo_silence,
    demo_summary,
    demo_team,
)
from traymon.words.escapes import as_markup, printable, to_terminal
from traymon.words.language import (
    choose,
    gettext,
    language_called,
    language_in_use,
    languages,
    mark,
    ngettext,
)
from traymon.words.running import (
    answer,
    cannot_open_log,
    cannot_post,
    no_bots,
    no_longer_held,
    no_presence,
    no_program,
    no_such_bot,
    now_held,
    point_your_program,
    strange_links,
    unknown_request,
)
from traymon.words.times import clock_time, day, duration, local_time, month, number, percent

__all__ = [
    "answer",
    "as_markup",
    "cannot_open_log",
    "cannot_post",
    "cause",
    "choose",
    "clock_time",
    "columns",
    "day",
    "demo_fin",
    "demo_goodbye",
    "demo_intro",
    "demo_refuse",
    "demo_scene",
    "demo_silence",
    "demo_summary",
    "demo_team",
    "duration",
    "gettext",
    "language_called",
    "language_in_use",
    "languages",
    "local_time",
    "mark",
    "month",
    "ngettext",
    "no_bots",
    "no_longer_held",
    "no_presence",
    "no_program",
    "no_such_bot",
    "now_held",
    "number",
    "padded",
    "percent",
    "point_your_program",
    "printable",
    "probes",
    "short_cause",
    "state",
    "strange_links",
    "to_terminal",
    "unknown_request",
    "wrapped",
]
