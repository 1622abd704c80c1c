"""docs/hardening.md: each row has its test, and each test of hardening its row."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/hardening.md").read_text(encoding="utf-8")
OF_NO_ROW = {"test_there_is_a_log_of_every_version"}
"""Keeps another of them complete."""


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_row_has_a_test() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what happens")
    ]
    assert len(rows) > 20
    for row in rows:
        named = re.search(r"\| `(tests/\S+\.py)::(test_\w+)` \|$", row)
        assert named, row
        assert named[2] in names_in(ROOT / named[1]), row


def test_each_test_has_a_row() -> None:
    for path in [*ROOT.glob("tests/test_hardening_*.py"), *ROOT.glob("tests/desktop/test_hardening_*.py")]:
        missing = {name for name in names_in(path) if f"::{name}`" not in PAGE}
        assert missing <= OF_NO_ROW
