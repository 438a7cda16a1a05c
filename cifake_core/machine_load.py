"""How busy this machine is right now: processor, memory and, where the driver's own tool tells it, each GPU.

Light: torch is not loaded, so that a page can ask every few seconds.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass
from threading import Lock

import psutil

_SHORTEST = 0.5  # seconds; over less, the share of the processor is chance
_FIRST_LOOK = 0.1  # seconds of the first look, which keeps a page waiting


@dataclass(frozen=True)
class Load:
    """Shares in [0, 1], memory in bytes."""

    cpu: float
    cores: int
    memory_used: int
    memory_total: int
    gpus: tuple["GpuLoad", ...]


@dataclass(frozen=True)
class GpuLoad:
    name: str
    busy: float
    memory_used: int
    memory_total: int


def now() -> Load:
    """The processor's share is that since the last call in this process; the first call looks for a tenth of a second."""
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count() or 1
    return Load(_processor.busy(), cores, memory.total - memory.available, memory.total, _gpus())


class _Processor:
    """Remembers what was found, for several pages that ask at one moment.

    Not psutil's `cpu_percent`: it remembers for each thread apart, and a page asks from a new thread each time.
    """

    def __init__(self) -> None:
        self._lock, self._times, self._asked_at, self._share = Lock(), None, 0.0, 0.0

    def busy(self) -> float:
        with self._lock:
            if self._times is None:
                self._times = psutil.cpu_times()
                time.sleep(_FIRST_LOOK)
            elif time.monotonic() - self._asked_at < _SHORTEST:
                return self._share
            before, self._times = self._times, psutil.cpu_times()
            self._share, self._asked_at = _busy_share(before, self._times), time.monotonic()
            return self._share


def _busy_share(before, after) -> float:
    """The share of all cores' time between two `psutil.cpu_times()` in which they were not idle; 0 if no time passed."""
    spent = {name: getattr(after, name) - getattr(before, name) for name in after._fields if not name.startswith("guest")}  # guests are part of user
    total = sum(spent.values())
    idle = spent["idle"] + spent.get("iowait", 0.0)
    return min(1.0, max(0.0, 1 - idle / total)) if total > 0 else 0.0


_processor = _Processor()


def _gpus() -> tuple[GpuLoad, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    asked = "--query-gpu=name,utilization.gpu,memory.used,memory.total"
    try:
        done = subprocess.run(
            [tool, asked, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=3, check=True
        )
        return tuple(parsed(line) for line in done.stdout.strip().splitlines())
    except (OSError, subprocess.SubprocessError, ValueError):  # a driver that does not answer hides no page
        return ()


def parsed(line: str) -> GpuLoad:
    """One line of the tool, "NVIDIA H200, 87, 1024, 143771": percent, then mebibytes. Raises ValueError."""
    name, busy, used, total = (part.strip() for part in line.rsplit(",", 3))
    return GpuLoad(name, float(busy) / 100, int(used) << 20, int(total) << 20)
