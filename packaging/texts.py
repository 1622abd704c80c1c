"""Writes the texts that come with a Linux package into a folder, each below usr/ where a system has it.

    python packaging/texts.py FOLDER

Manual pages, completion for bash, zsh and fish, the systemd user unit, the desktop file and its AppStream metadata. It
needs a Python with traymon's libraries.
"""

import gzip
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

import about
from click.shell_completion import ShellComplete, get_completion_class

from traymon.cli import cli

_HERE = Path(__file__).resolve().parent
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/traymon",
    "zsh": "usr/share/zsh/vendor-completions/_traymon",
    "fish": "usr/share/fish/vendor_completions.d/traymon.fish",
}
_PAGES = {"en": "usr/share/man/man1", "ja": "usr/share/man/ja/man1"}


def write_all(folder: Path) -> None:
    """Everything, below ``folder``. Raises OSError."""
    _write_pages(folder)
    for shell, path in _COMPLETIONS.items():
        _write(folder / path, completion(shell))
    unit = (_HERE / "systemd/traymon.service").read_text(encoding="utf-8")
    _write(folder / "usr/lib/systemd/user/traymon.service", unit)
    _write(folder / "usr/share/applications/traymon.desktop", desktop_file())
    name = "io.github.traymon.traymon.metainfo.xml"
    _write(folder / "usr/share/metainfo" / name, metainfo())


def completion(shell: str) -> str:
    """The script that asks traymon what may come next; click's own."""
    kind = get_completion_class(shell)
    assert kind is not None
    # Not bash's own source(), which also asks for the version of the bash that is here.
    return ShellComplete.source(kind(cli, {}, "traymon", "_TRAYMON_COMPLETE"))


def desktop_file() -> str:
    """The entry in the desktop's menu."""
    text = (_HERE / "desktop/traymon.desktop").read_text(encoding="utf-8")
    return text.format(summary=_capital(about.SUMMARIES["en"]), summary_ja=about.SUMMARIES["ja"])


def metainfo() -> str:
    """What software centres show."""
    date = about.released()
    release = f'  <releases>\n    <release version="{about.version()}" date="{date}"/>\n  </releases>\n'
    text = (_HERE / "desktop/io.github.traymon.traymon.metainfo.xml").read_text(encoding="utf-8")
    return text.format(
        summary=escape(_capital(about.SUMMARIES["en"])),
        summary_ja=escape(about.SUMMARIES["ja"]),
        releases=release if date else "",
    )


def _write_pages(folder: Path) -> None:
    for language, path in _PAGES.items():
        with tempfile.TemporaryDirectory() as made:
            subprocess.run([sys.executable, str(_HERE / "manpages.py"), language, made], check=True)  # noqa: S603
            for page in sorted(Path(made).iterdir()):
                target = folder / path / f"{page.name}.gz"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(gzip.compress(page.read_bytes(), mtime=0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_all(Path(sys.argv[1]))
