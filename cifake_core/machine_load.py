"""How busy this machine is right now: processor, memory and, where the driver's own tool tells it, each GPU.

Light: torch is not loaded, so that a page can ask every few seconds.
"""

import shutil
import subprocess
from dataclasses import dataclass

import psutil


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
    """The processor's share is that since the last call in this process, 0 at the first."""
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count() or 1
    return Load(psutil.cpu_percent() / 100, cores, memory.total - memory.available, memory.total, _gpus())


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
