"""Run a command; measure the time and memory of it and of all processes that it starts."""

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

SECONDS_BETWEEN_SAMPLES = 0.2


class Used(NamedTuple):
    """The time and memory that a command used.

    Attributes
    ----------
    seconds, cpu_seconds
        Wall-clock time, and CPU time of all cores.
    largest_mb
        The peak memory of a single process. (What the system reports for ended processes includes
        the memory of the process that started them.)
    together_mb
        The peak memory of all processes together, sampled five times a second. Memory that
        processes share is counted for each of them, so this is an upper bound.
    """

    seconds: float
    cpu_seconds: float
    largest_mb: float
    together_mb: float


def run(command: Sequence[str], folder: Path | None = None) -> Used:
    """Run a command; if it fails, show its output and end this process."""
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
    output: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: output.extend(process.stdout or ()))
    reader.start()
    largest = total = 0.0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        memory = _memory(process.pid)
        largest = max(largest, *(peak for peak, _ in memory), 0.0)
        total = max(total, sum(now for _, now in memory))
        time.sleep(SECONDS_BETWEEN_SAMPLES)
    seconds = time.perf_counter() - start
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{''.join(output)}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, largest, total)


def _memory(pid: int) -> list[tuple[float, float]]:
    """Return the peak and current memory, MB, of a process and each that it started."""
    values = []
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                now = process.memory_info().rss / 1e6
                values.append((max(now, _peak(process.pid)), now))
            except (psutil.Error, OSError):  # it has just ended
                continue
    except psutil.Error:
        pass
    return values


def _peak(pid: int) -> float:
    """Return the peak memory of a process, MB; 0 if the system does not report it."""
    path = Path(f"/proc/{pid}/status")
    match = re.search(r"VmHWM:\s*(\d+) kB", path.read_text()) if path.parent.exists() else None
    return int(match[1]) * 1024 / 1e6 if match else 0.0
