"""Clean Debian systems: made by debootstrap once, and changed in an overlay that goes away with the test.

Whoever runs this is root. Nothing is mounted where others see it: each system has a mount namespace of its own.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.required import need_programs

ROOT = Path(__file__).resolve().parents[2]
BASES = Path(os.environ.get("TRAYMON_CHROOTS") or ROOT / "build/chroots")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALLING_S = 300.0
"""For a package manager that loads from the network."""

_MOUNT = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
target=$2/root
shift 2
for place; do
    mkdir -p "$target$place"
    mount --bind "$place" "$target$place"
done
echo ready
exec sleep infinity
"""


def base_of(suite: str) -> Path:
    """The folder of a minimal Debian, made if need be: from the mirror of this machine's own apt, or TRAYMON_MIRROR."""
    need_programs("debootstrap", "unshare", "nsenter")
    base = BASES / suite
    if not base.exists():
        unfinished = BASES / f"{suite}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", suite, str(unfinished), _mirror()],
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=INSTALLING_S * 2,
        )
        unfinished.rename(base)
    return base


def _mirror() -> str:
    if given := os.environ.get("TRAYMON_MIRROR"):
        return given
    command = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Identifier: Packages"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    mirrors = [line.partition("|")[2] for line in known.splitlines() if line.startswith("Debian|")]
    assert mirrors, "apt knows no mirror of Debian's: say TRAYMON_MIRROR=…"
    return mirrors[0]


class Chroot:
    """One system; made by :func:`chroot`."""

    def __init__(self, holder: int, root: Path) -> None:
        self._enter = ["nsenter", f"--target={holder}", "--mount", "chroot", str(root)]
        self.root = root
        """Seen from outside, this is empty: what is there only processes of the system's own namespace see."""

    def command(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, user: str = "root"
    ) -> list[str]:
        """What starts ``command`` in there, with nothing of this process's environment."""
        home = "/root" if user == "root" else f"/home/{user}"
        given = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, **(env or {})}
        pairs = [f"{name}={value}" for name, value in given.items()]
        switch = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*self._enter, *switch, "env", "--chdir=/", "-i", *pairs, *command]

    def run(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        user: str = "root",
        stdin: str = "",
        timeout_s: float = 120.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; fails the test with what it said where it fails."""
        done = subprocess.run(
            self.command(command, env, user),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}"
        return done

    def install(self, *packages: str) -> None:
        """Debian's packages, without what they only recommend."""
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        options = ("-y", "-qq", "--no-install-recommends")
        self.run("apt-get", "install", *options, *packages, env=env, timeout_s=INSTALLING_S)

    def put(self, source: Path, target: str) -> None:
        """Copy a file into it."""
        with source.open("rb") as content:
            subprocess.run(
                self.command(["tee", target]), stdin=content, stdout=subprocess.DEVNULL, check=True
            )

    def files(self) -> set[str]:
        """Every path on the system's own disk."""
        return set(self.run("find", "/", "-xdev").stdout.splitlines())


@contextmanager
def chroot(suite: str, folder: Path, *shared: Path) -> Iterator[Chroot]:
    """A clean Debian, changed only in ``folder``; ``shared`` folders are there at the same paths."""
    base = base_of(suite)
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True)
    places = [str(place) for place in shared]
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", str(base), str(folder), *places],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "the system could not be mounted"
        yield Chroot(holder.pid, folder / "root")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        # Some of it belongs to other users, and pytest keeps folders for a while.
        shutil.rmtree(folder, ignore_errors=True)
