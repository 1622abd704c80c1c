"""What a test needs of this machine: where it is missing the test is skipped, and in CI it fails."""

import os
import shutil
from typing import NoReturn

import pytest

REQUIRED = "TRAYMON_REQUIRE_DESKTOP"
"""Set to 1 by ``.ci/run``, which installs everything."""


def cannot(reason: str) -> NoReturn:
    """Skip the test; fail it where everything has to be there."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def need_programs(*programs: str) -> None:
    """The test starts these."""
    missing = sorted(program for program in programs if shutil.which(program) is None)
    if missing:
        cannot(f"not installed: {', '.join(missing)}")
