"""What the tests of packages share: the packages, and a desktop to show the icon on."""

import os
from pathlib import Path

import pytest

from tests.desktop.conftest import (  # noqa: F401 - fixtures
    display,
    folders,
    programs,
    screen_size,
    session_bus,
    start_bus,
    trayer,
    xfce_panel,
)
from tests.packages.chroot import ROOT
from traymon import __version__


class Packages:
    """What ``make packages`` built."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def one(self, name: str) -> Path:
        """A package by its file's name, where * stands for anything."""
        found = sorted(self._folder.glob(name))
        assert len(found) == 1, f"{name} in {self._folder}: {found}; make packages builds it"
        return found[0]

    @property
    def wheel(self) -> Path:
        """The wheel of this version."""
        return self.one(f"traymon-{__version__}-py3-none-any.whl")


@pytest.fixture(scope="session")
def packages() -> Packages:
    """Those in dist/, or where TRAYMON_PACKAGES says."""
    return Packages(Path(os.environ.get("TRAYMON_PACKAGES") or ROOT / "dist"))
