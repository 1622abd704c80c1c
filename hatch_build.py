"""Compiles the catalogues of ``traymon/locale`` when a wheel is built or the tree is installed in place.

What is compiled lies beside its source, where an editable install finds it, and is kept out of version control.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For the dates in a catalogue's header: with the true ones no two builds of one tree would be the same."""


class CatalogueHook(BuildHookInterface[Any]):
    """Makes a ``.mo`` of every ``.po``; one that is wrong ends the build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files."""
        for source in sorted(Path(self.root, "traymon", "locale").glob("*/LC_MESSAGES/*.po")):
            with source.open("rb") as file:
                catalogue = read_po(file, locale=source.parent.parent.name, abort_invalid=True)
            catalogue.creation_date = catalogue.revision_date = _LONG_AGO
            # Whole or not at all: a traymon that runs from this tree may be reading it.
            draft = source.with_suffix(".mo.part")
            with draft.open("wb") as file:
                write_mo(file, catalogue)
            draft.replace(source.with_suffix(".mo"))
        build_data["artifacts"].append("/traymon/locale/*/LC_MESSAGES/*.mo")
