"""What `make coverage` says and asks for: branches taken, overall and in the pure cores.

`python -m tests.coverage_figures`, after coverage has measured. Ends with 1 where they are fewer than promised.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

CONFIG = "--rcfile=tests/coverage.toml"
OVERALL = 90.0
"""Per cent of all branches."""
CORES = ("traymon/keeper/core/", "traymon/slackwire/", "traymon/relay/core/", "traymon/relay/translation/")
"""Pure, so nothing in them is hard to reach: every statement and every branch."""

Counts = Mapping[str, int]


def measured() -> dict[str, Counts]:
    """Each file that counts, with coverage's own summary of it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        command = [sys.executable, "-m", "coverage", "json", CONFIG, "--quiet", "-o", str(report)]
        subprocess.run(command, check=True)
        files = json.loads(report.read_text())["files"]
    return {Path(path).as_posix(): facts["summary"] for path, facts in files.items()}


def share(files: Iterable[Counts], part: str, whole: str) -> float:
    """Per cent; all of nothing is 100."""
    counted = list(files)
    total = sum(counts[whole] for counts in counted)
    return 100 * sum(counts[part] for counts in counted) / total if total else 100.0


def main() -> int:
    files = measured()
    failed = False
    for name, wanted in (("traymon/", OVERALL), *((core, 100.0) for core in CORES)):
        counts = [each for path, each in files.items() if path.startswith(name)]
        branches = share(counts, "covered_branches", "num_branches")
        statements = share(counts, "covered_lines", "num_statements")
        # A core needs both; statements outside branches count overall only through the branches that lead there.
        reached = min(branches, statements) if name in CORES else branches
        verdict = "" if counts and reached >= wanted else f"   below {wanted:g} %"
        failed = failed or bool(verdict)
        print(f"{name:28} {branches:6.2f} % of branches  {statements:6.2f} % of statements{verdict}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
