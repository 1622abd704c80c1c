"""Builds traymon's packages from a checkout; what is built is put into dist/.

    python packaging/build.py wheel              wheel and source distribution
    python packaging/build.py deb                Debian packages for all of deb.RELEASES and deb.ARCHITECTURES
    python packaging/build.py bundle             the one-folder program for this machine's system
    python packaging/build.py version            say the version

deb and bundle need the wheel. The tools are those of requirements.txt; the version is that of traymon/__init__.py.
"""

import argparse
import sys
from pathlib import Path

from steps import ROOT, run, version, wheel_in


def build_wheel(out: Path) -> None:
    """The wheel is made from the source distribution, as those do who build from that."""
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", out, ROOT)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["wheel", "deb", "bundle", "version"])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="where it may leave files behind")
    parser.add_argument("--architecture", action="append", help="of the Debian packages; each, unless told")
    given = parser.parse_args()
    if given.what == "version":
        sys.stdout.write(f"{version()}\n")
        return
    out, work = given.out.resolve(), given.work.resolve()
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    if given.what == "wheel":
        build_wheel(out)
    elif given.what == "deb":
        import deb

        deb.build_all(wheel_in(out), version(), out, work, given.architecture)
    else:
        import bundle

        bundle.build(wheel_in(out), version(), out, work)


if __name__ == "__main__":
    main()
