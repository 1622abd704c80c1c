"""The licences of what a package bundles, from what each part says of itself.

python packaging/licences.py FOLDER    prints those of the distributions installed in a folder
"""

import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
_LINE = "-" * 88


class UnknownLicenceError(Exception):
    """A part that does not say what its licence is must not be shipped. The message names it."""


def texts_of(parts: Iterable[Distribution]) -> str:
    """Name, version, origin, licence and its text of every distribution, by name.

    Raises :class:`UnknownLicenceError`.
    """
    return "\n".join(_entry(part) for part in sorted(parts, key=lambda part: part.name.lower()))


def in_folder(folder: Path) -> list[Distribution]:
    """The distributions in a folder of installed packages, without traymon itself."""
    return [part for part in distributions(path=[str(folder)]) if part.name != "traymon"]


def _entry(part: Distribution) -> str:
    licence = _licence(part)
    texts = list(_texts(part))
    if not licence and not texts:
        raise UnknownLicenceError(f"{part.name} {part.version} says nothing of its licence.")
    heading = [
        f"{part.name} {part.version}",
        *filter(None, [_home(part), f"Licence: {licence or 'see below'}"]),
    ]
    return "\n".join([_LINE, *heading, _LINE, "", *(f"{text.strip()}\n" for text in texts)])


def _licence(part: Distribution) -> str:
    """As the metadata has it: the expression of PEP 639, else the classifiers, else a free text of one line."""
    prefix = "License :: "
    lines = _values(part, "Classifier")
    classifiers = [line.split(" :: ")[-1] for line in lines if line.startswith(prefix)]
    free = [text for text in _values(part, "License") if "\n" not in text.strip()]
    return ", ".join(_values(part, "License-Expression") or classifiers or free)


def _home(part: Distribution) -> str:
    urls = dict(line.split(", ", 1) for line in _values(part, "Project-URL") if ", " in line)
    wanted = ("homepage", "source", "source code", "repository", "github")
    named = [url for name in wanted for key, url in urls.items() if key.lower() == name]
    return next(iter([*_values(part, "Home-page"), *named]), "")


def _values(part: Distribution, field: str) -> list[str]:
    return [str(value) for value in part.metadata.get_all(field) or []]


def _texts(part: Distribution) -> Iterable[str]:
    for file in part.files or ():
        is_licence = file.name.upper().startswith(_NAMES) or "licenses" in file.parts
        if is_licence and any(folder.endswith(".dist-info") for folder in file.parts):
            yield file.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(texts_of(in_folder(Path(sys.argv[1]))))
