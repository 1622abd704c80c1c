"""The state diagram in the docs is the table of transitions."""

import re
from pathlib import Path

import pytest

from traymon.keeper.core.diagram import BEGIN, END, diagram, with_diagram
from traymon.keeper.core.states import TRANSITIONS, State, Trigger

DOCS = Path(__file__).parent.parent / "docs" / "how-it-works.md"


def test_the_docs_hold_exactly_this_diagram():
    text = DOCS.read_text(encoding="utf-8")
    assert with_diagram(text) == text, "run: python -m traymon.keeper.core.diagram docs/how-it-works.md"


def test_the_diagram_says_all_that_the_table_says_and_no_more():
    drawn = {
        (State(_state(old)), Trigger(trigger), State(_state(new)))
        for old, new, triggers in re.findall(r"^    (\S+) --> (\S+): (.*)$", diagram(), re.MULTILINE)
        for trigger in triggers.split(" / ")
    }
    assert drawn == {(old, t, new) for old, row in TRANSITIONS.items() for t, new in row.items()}


def _state(name: str) -> str:
    return "unknown" if name == "[*]" else name


def test_only_the_block_is_rewritten():
    text = f"# Title\n\nbefore\n{BEGIN}\nstale\n{END}\nafter\n"
    new = with_diagram(text)
    assert new.startswith(f"# Title\n\nbefore\n{BEGIN}\n```mermaid\nstateDiagram-v2\n")
    assert new.endswith(f"\n```\n{END}\nafter\n")
    assert "stale" not in new
    assert with_diagram(new) == new


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END} {BEGIN}"])
def test_a_text_without_the_marks_is_an_error(text):
    with pytest.raises(ValueError, match="no block between"):
        with_diagram(text)
