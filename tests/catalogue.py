"""The catalogues of ``traymon/locale`` and what the code says: ``python -m tests.catalogue`` brings them up to date.

A message that the code no longer holds goes, a new one is added without a translation, and nothing is guessed. The
files hold no line numbers and no dates, so that a change shows what a translator has to look at and nothing else.
"""

import ast
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from traymon.cli.language import unfolded

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "traymon" / "locale"
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "mark": None}
_METHODS = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
_OPTIONS = {"**.j2": {"trimmed": "true", "silent": "false"}}
_CHURN = (
    "POT-Creation-Date",
    "PO-Revision-Date",
    "Last-Translator",
    "Language-Team",
    "Report-Msgid-Bugs-To",
    "Generated-By",
)


def sources() -> list[Path]:
    """All that may hold sentences for people."""
    return sorted(path for path in (ROOT / "traymon").rglob("*") if path.suffix in {".py", ".j2"})


def extracted() -> Catalog:
    """Every message of the code, with the files that hold it."""
    catalogue = Catalog(project="traymon", charset="utf-8", fuzzy=False)
    found = extract_from_dir(ROOT / "traymon", _METHODS, _OPTIONS, keywords=KEYWORDS)
    said: list[tuple[str, int, str | tuple[str, ...]]]
    said = [(f"traymon/{Path(name).as_posix()}", line, text) for name, line, text, _, _ in found]
    said += _help_texts()
    # In one order on every machine: the folders' own differs.
    for name, line, message in sorted(said, key=lambda each: each[:2]):
        catalogue.add(message, locations=[(name, line)])
    return catalogue


def _help_texts() -> Iterator[tuple[str, int, str]]:
    """What click shows of commands and options; ``traymon/cli/language.py`` translates it."""
    for path in sorted((ROOT / "traymon" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _help_of(node):
                yield path.relative_to(ROOT).as_posix(), getattr(node, "lineno", 0), unfolded(text)


def _help_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        for decorator in node.decorator_list:
            made = decorator.func if isinstance(decorator, ast.Call) else decorator
            given = {each.arg for each in decorator.keywords} if isinstance(decorator, ast.Call) else set()
            if getattr(made, "attr", "") in {"command", "group"} and "help" not in given:
                yield ast.get_docstring(node) or ""
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in {"help", "short_help", "epilog"} and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value)


def languages() -> list[str]:
    """Every language that has a catalogue."""
    return sorted(path.name for path in LOCALE.iterdir() if (path / "LC_MESSAGES").is_dir())


def path_of(language: str, domain: str = "traymon") -> Path:
    """A catalogue's source."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read(path: Path, language: str) -> Catalog:
    """A catalogue. Raises PoFileError where it is wrong."""
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def strings(message: Message) -> tuple[str, ...]:
    """A message's translations: one, or one for each plural; "" where there is none yet."""
    found = message.string
    return tuple(map(str, found)) if isinstance(found, (tuple, list)) else (str(found or ""),)


def messages(catalogue: Catalog) -> Iterator[Message]:
    """Without the header."""
    return (message for message in catalogue if message.id)


def updated(old: Catalog, code: Catalog) -> Catalog:
    """What the code says now, with every translation of ``old`` that fits."""
    new = Catalog(locale=old.locale, project="traymon", charset="utf-8", fuzzy=False)
    for message in messages(code):
        known = old.get(message.id, message.context)
        if known is not None and known.pluralizable != message.pluralizable:
            known = None  # found by its singular alone
        new.add(
            message.id,
            known.string if known is not None else None,
            locations=message.locations,
            flags={flag for flag in message.flags | (known.flags if known else set()) if flag != "fuzzy"},
            auto_comments=message.auto_comments,
            user_comments=known.user_comments if known is not None else (),
            context=message.context,
        )
    return new


def written(catalogue: Catalog) -> str:
    """The catalogue as its file holds it."""
    file = io.BytesIO()
    write_po(file, catalogue, width=0, include_lineno=False, ignore_obsolete=True)
    lines = file.getvalue().decode("utf-8").splitlines(keepends=True)
    start = next(at for at, line in enumerate(lines) if line.startswith("msgid"))
    return "".join(_without_churn(lines[start:]))


def _without_churn(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith(tuple(f'"{name}:' for name in _CHURN)))


def main() -> None:
    """Bring every catalogue up to date, and say what is left to translate."""
    code = extracted()
    for language in languages():
        path = path_of(language)
        old = read(path, language) if path.exists() else Catalog(locale=language)
        new = updated(old, code)
        path.write_text(written(new), encoding="utf-8")
        missing = [message for message in messages(new) if not all(strings(message))]
        print(f"{path.relative_to(ROOT)}: {len(new)} messages, {len(missing)} without a translation")
        for message in missing:
            print(f"  {message.id}", file=sys.stderr)


if __name__ == "__main__":
    main()
