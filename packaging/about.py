"""What the texts of all packages say of traymon: its summary, and the date of the release.

Once this is imported, ``import traymon`` finds an installed traymon of this version, whose catalogues are compiled, or
else this checkout.
"""

import re
import sys

from steps import ROOT, version

sys.path.append(str(ROOT))
try:
    import traymon.cli
except ImportError as error:
    sys.exit(
        f"{error.name} is missing: use a Python in which traymon's wheel or its libraries are installed."
    )
if traymon.__version__ != version():
    sys.exit(
        f"traymon {traymon.__version__} is installed here, but the texts are to be those of {version()}."
    )

SUMMARIES = {
    "en": "keeps Slack bots online, and an honest log of it",
    "ja": "Slack ボットの接続を維持し、そのありのままを記録します",
}
"""One line, without a full stop."""


def released() -> str | None:
    """The day of the release as CHANGELOG.md has it (ISO 8601); ``None`` before that.

    Not the day of the build: two builds of one tree are to be the same.
    """
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## \[{re.escape(version())}\] - (\d{{4}}-\d\d-\d\d)$", changes, re.MULTILINE)
    return found[1] if found else None
