"""The short form of ``make soak``: fifty bots, faults, traffic; every log is held against Slack's truth."""

import sys
from pathlib import Path

import pytest

from tests.soak.many_bots import run

pytestmark = [
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="what a process holds is read from /proc"
    ),
    pytest.mark.timeout(300),  # about a minute and a half, most of it waiting
]


def test_fifty_bots_with_random_faults_and_then_traffic(home: Path) -> None:
    run(home, bots=50, fault_s=40, traffic_s=10, seed=2016)
