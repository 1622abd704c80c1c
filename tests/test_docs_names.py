"""The docs name everything that has a name: each cause, state, variable and layer; and nothing that is not there."""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import catalogue
from tests.docpages import PAGES, spans
from traymon import words
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.effects import SILENT_KINDS, NoteKind
from traymon.keeper.core.states import State
from traymon.paths import Profile

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CODE = ROOT / "traymon"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no section “{heading}”"
    return found[1]


def first_column(table: str) -> list[str]:
    """The names in backticks in the first cells of every row."""
    cells = (row.split("|")[1] for row in table.splitlines() if row.startswith("|"))
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


# Names of the data


def test_every_cause_is_explained_once_and_no_other():
    assert first_column(section("causes.md", "All causes")) == [cause.value for cause in Cause]


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.REFUSED_TOKEN])
def test_the_table_shows_how_each_cause_comes_about(cause):
    assert f"`{cause}`" in section("causes.md", "The 1006 table")


def test_every_state_is_explained_and_no_other():
    assert sorted(first_column(section("how-it-works.md", "The states"))) == sorted(
        state.value for state in State
    )


def test_every_kind_of_line_is_explained_and_no_other():
    kinds = first_column(section("session-log.md", "The text file"))
    assert sorted(kinds) == sorted(kind.value for kind in NoteKind if kind not in SILENT_KINDS)


# Layers


def test_every_layer_has_its_row_in_the_order_of_the_rule():
    table = section("how-it-works.md", "The layers")
    named = [name.rstrip("/").removesuffix(".py").replace("/", ".") for name in first_column(table)]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    rank = {name: at for at, row in enumerate(layers) for name in re.findall(r"[\w.]+", row)}
    assert set(named) == {*rank, "simulator"}
    upper = [name for name in named if name not in {"config", "secrets", "paths", "desktop", "simulator"}]
    assert [rank[name] for name in upper] == sorted(rank[name] for name in upper)


# Environment variables

GIVEN = {CODE / "secrets.py", CODE / "setup" / "steps.py"}
"""Here a person names the variable."""
NONE = {"POSIX"}
"""The name of a locale, which stands where variables do."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")


def variables() -> Iterator[str]:
    """Every environment variable that the code asks for by name."""
    for path in CODE.rglob("*.py"):
        if "simulator" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for asked in filter(None, map(_asked, ast.walk(tree))):
            if isinstance(asked, ast.Constant):
                yield str(asked.value)
            elif path not in GIVEN:
                # It stands in a list of the same module: all that could be one counts.
                yield from (
                    node.value
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and _VARIABLE.fullmatch(node.value)
                )


def _asked(node: ast.AST) -> ast.expr | None:
    """What is looked up, where ``node`` looks into an environment."""
    match node:
        case ast.Subscript(value=where, slice=what) if _is_environment(where):
            return what
        case ast.Call(func=ast.Attribute(value=where, attr="get" | "pop"), args=[what, *_]) if (
            _is_environment(where)
        ):
            return what
        case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[what, *_]):
            return what
        case _:
            return None


def _is_environment(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.endswith("environ")


def test_the_search_finds_what_is_read():
    found = set(variables())
    assert {
        "SLACK_BOT_TOKEN",
        "LANGUAGE",
        "LC_ALL",
        "XDG_CONFIG_HOME",
        "NO_COLOR",
        "WAYLAND_DISPLAY",
    } <= found
    assert all(map(_VARIABLE.fullmatch, found)), found


def test_every_environment_variable_is_explained():
    named = first_column(section("configuration.md", "Environment variables"))
    assert set(variables()) - NONE - set(named) == set()


# Files


@pytest.mark.skipif(sys.platform != "linux", reason="the pages name Linux's folders")
def test_every_file_of_the_user_is_where_the_pages_say(monkeypatch):
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/home/you")
    profile = Profile.default()
    files = [
        profile.config_file,
        profile.tokens,
        profile.db,
        profile.text_log,
        profile.report,
        profile.diagnostics,
    ]
    files += [profile.relay_settings, profile.relay_settings.with_name("relay-bots.json")]
    files += [Path("/home/you/.config/autostart/traymon.desktop")]
    known = {str(each) for file in files for each in (file, *file.parents)}
    named = {
        span for page in PAGES for span in spans(page) if span.startswith(("~/.config", "~/.local/state"))
    }
    assert len(named) > 6
    assert {span for span in named if span.replace("~", "/home/you").rstrip("/") not in known} == set()


# The recipes

ITEM = re.compile(r"^(?:\d+\.|-) (?:.+\n)(?: {2,}.+\n)*", re.MULTILINE)
LINKED = re.compile(r"\]\((\.\./[^)#]+)\)")
NAME = re.compile(r"`(_?[A-Za-z]\w*)`")


def steps() -> list[str]:
    """Those that name files of the code."""
    return [item for item in ITEM.findall(text_of("contributing.md")) if LINKED.search(item)]


@pytest.mark.parametrize("step", steps(), ids=lambda step: "-".join(re.findall(r"\w+", step)[:4]))
def test_a_step_of_a_recipe_names_what_is_there(step):
    linked = [DOCS / target for target in LINKED.findall(step)]
    assert all(path.exists() for path in linked), step
    files = [file for path in linked for file in ([path] if path.is_file() else sorted(path.iterdir()))]
    code = "\n".join(
        [file.name for file in files]
        + [file.read_text(encoding="utf-8") for file in files if file.suffix == ".py"]
    )
    missing = [name for name in NAME.findall(step) if not re.search(rf"\b{name}\b", code)]
    assert missing == [], step


def test_the_recipes_that_were_promised_are_there():
    headings = set(re.findall(r"^### (.+)$", text_of("contributing.md"), re.MULTILINE))
    assert {"A cause", "A state", "A tray backend", "A language", "A setting", "A command"} <= headings
    assert len(steps()) > 25


# What the pages say that traymon says


def test_what_is_quoted_is_what_traymon_says():
    known = catalogue.read(catalogue.path_of("ja"), "ja")  # another test holds it to the code
    said = [text for each in catalogue.messages(known) for text in _forms(each.id)]
    said += [words.no_program("online")]
    quotes = re.findall(r"“([^”]+)”", text_of("troubleshooting.md"))
    assert len(quotes) > 10
    assert [quote for quote in quotes if not any(quote in text for text in said)] == []


def _forms(message: str | tuple[str, ...]) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else message


def test_every_page_is_in_the_index():
    index = text_of("README.md")
    left_out = {page.name for page in DOCS.glob("*.md") if f"]({page.name})" not in index}
    assert left_out == {"README.md"}
