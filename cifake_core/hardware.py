"""Which device and number format a machine is good at. Measured facts, so that nobody pays for a wrong guess."""

import ctypes
import os
import platform
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import torch

from cifake_core.errors import BadInput
from cifake_core.settings import Settings

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # names of mallopt's parameters in malloc.h


def chosen_device(asked: str | None = None) -> torch.device:
    """The device of CIFAKE_DEVICE (or `asked`); "auto" takes a GPU if there is one. Raises BadInput."""
    asked = asked or Settings.from_environment().device
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked != "cpu" and not (asked.split(":")[0] == "cuda" and torch.cuda.is_available()):
        raise BadInput(f"The device {asked!r} is not on this machine; set CIFAKE_DEVICE to auto, cpu or cuda.")
    return torch.device(asked)


def fast_precision(device: torch.device) -> str:
    """ "bf16" where the hardware multiplies it, else "fp32".

    A CPU with only AVX2 emulates bf16: measured on `32x2`, training fell from 2,351 to 180 images/s there.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if multiplies_bf16() else "fp32"


@cache
def multiplies_bf16() -> bool:
    """Whether this processor has instructions for it; one with AVX-512 alone emulates them."""
    wide = "AVX512" in torch.backends.cpu.get_cpu_capability()
    return wide and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def autocast(device: torch.device, precision: str):
    """The context in which forward passes of that precision run."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def sampling_dtype(device: torch.device) -> torch.dtype:
    """Weights while sampling: half precision on a GPU, single precision on a CPU."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if fast_precision(device) == "bf16" else torch.float16


def synchronize(device: torch.device) -> None:
    """Waits for the device, so that a clock read next is true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def use_threads(threads: int = 0) -> int:
    """Sets and returns the number of CPU threads; 0 takes CIFAKE_THREADS, and if that is 0 too, every core."""
    threads = threads or Settings.from_environment().threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    return threads


def keep_freed_memory() -> None:
    """Lets this process use its memory again instead of giving it back and asking anew for every batch (glibc only).

    Without it a step of `128x3` takes 27,000 page faults, a fifth of its time.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # another C library: it is only slower


def description(device: torch.device) -> str:
    """What a figure was made on: the GPU's name, or the processor and its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
