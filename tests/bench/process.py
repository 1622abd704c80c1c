"""What Linux knows about a running process (proc(5), and Documentation/scheduler/sched-stats for schedstat)."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LOOK_EACH_S = 0.01


def rss_kb(pid: int) -> int:
    """Resident memory in kB of 1,024 bytes, shared pages included."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS")


def peak_kb(pid: int) -> int:
    """The most that a process ever had resident, in kB."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM")


def time_and_peak(*command: str, env: Mapping[str, str]) -> tuple[float, int]:
    """Seconds from a command's start to its end, and the most it had resident in kB, but for its last moment."""
    peak, began = 0, time.monotonic()
    with subprocess.Popen(command, env=dict(env), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            # LookupError: it has ended, and nobody has taken notice yet.
            with contextlib.suppress(LookupError, OSError):
                peak = max(peak, peak_kb(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_EACH_S)
    took = time.monotonic() - began
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return took, peak


@dataclass(frozen=True, slots=True)
class Use:
    """What all threads of a process did within a time."""

    cpu: float
    """Part of one processor. From the scheduler's own nanoseconds: utime and stime count in ticks of 10 ms, six of
    which are the whole idle budget of half a minute."""
    wakeups_per_minute: float
    """Voluntary context switches: each is a sleep that ended, also a short one for a lock or the disk."""


def use(pid: int, seconds: float) -> Use:
    """Watch a process for so long. Threads that end meanwhile are not counted."""
    before, began = _threads(pid), time.monotonic()
    threading.Event().wait(seconds)
    after, lasted = _threads(pid), time.monotonic() - began
    cpu_ns = sum(cpu - before.get(thread, (0, 0))[0] for thread, (cpu, _) in after.items())
    switches = sum(count - before.get(thread, (0, 0))[1] for thread, (_, count) in after.items())
    return Use(cpu_ns / 1e9 / lasted, switches / lasted * 60)


def _threads(pid: int) -> dict[str, tuple[int, int]]:
    """By thread: nanoseconds on a processor, and voluntary context switches."""
    found = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        try:
            on_cpu = int((folder / "schedstat").read_text().split()[0])
            found[folder.name] = on_cpu, _field(folder / "status", "voluntary_ctxt_switches")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended just now
    return found


def _field(status: Path, name: str) -> int:
    for line in status.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    raise LookupError(f"{status} has no {name}")
