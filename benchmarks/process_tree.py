"""Run a command, and see how long it and all that it starts take, and how much memory."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

SECONDS_BETWEEN_LOOKS = 0.2


class Used(NamedTuple):
    """What a command took.

    Attributes
    ----------
    seconds, cpu_seconds
        On the wall, and of all cores.
    largest_mb
        The most memory that one process had at any time. (What the system says of ended processes
        counts the memory of whoever started them.)
    together_mb
        The most that all had at one time, as seen five times a second. Memory that processes share
        is counted for each of them, so this is too much rather than too little.
    """

    seconds: float
    cpu_seconds: float
    largest_mb: float
    together_mb: float


def run(command: Sequence[str], folder: Path | None = None) -> Used:
    """Run a command to its end; what it says is shown only if it fails, which ends this process."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
    reader.start()
    largest = together = 0.0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        seen = _memory(process.pid)
        largest = max(largest, *(peak for peak, _ in seen), 0.0)
        together = max(together, sum(now for _, now in seen))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    seconds = time.perf_counter() - start
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{''.join(said)}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, largest, together)


def _memory(pid: int) -> list[tuple[float, float]]:
    """Return the most memory so far and that of now, MB, of a process and all that it started."""
    found = []
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                now = process.memory_info().rss / 1e6
                found.append((max(now, _peak(process.pid)), now))
            except (psutil.Error, OSError):  # it has just ended
                continue
    except psutil.Error:
        pass
    return found


def _peak(pid: int) -> float:
    """Return the most memory that a process has had, MB; 0 where the system does not say."""
    path = Path(f"/proc/{pid}/status")
    said = re.search(r"VmHWM:\s*(\d+) kB", path.read_text()) if path.parent.exists() else None
    return int(said[1]) * 1024 / 1e6 if said else 0.0
