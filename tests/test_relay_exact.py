"""The short form of ``python -m tests.soak.relay``: programs come and go, links break, nothing is lost or doubled."""

import sys
from pathlib import Path

import pytest

from tests.soak.many_bots import report
from tests.soak.relay.world import run

pytestmark = [
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="what a process holds is read from /proc"
    ),
    pytest.mark.timeout(300),  # half a minute, most of it waiting
]


def test_every_event_reply_and_acknowledgement_is_where_it_belongs(home: Path) -> None:
    run(home, seconds=15, seed=2016, report=report)
