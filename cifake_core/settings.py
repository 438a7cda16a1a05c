"""Settings read from the environment, once a call. Each is listed in the README; a test compares the two."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from cifake_core.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """What the environment decides. `variables()` names them for the README and its test."""

    home: Path = Path("workspace")  # CIFAKE_HOME: where image sets, runs, generators and jobs are kept
    device: str = "auto"  # CIFAKE_DEVICE: auto, cpu, cuda or cuda:N
    threads: int = 0  # CIFAKE_THREADS: CPU threads a worker uses; 0 = all cores
    import_roots: str = ""  # CIFAKE_IMPORT_ROOTS: folders the web page may import from, separated by ":"
    cifake_url: str = ""  # CIFAKE_CIFAKE_URL: address of the CIFAKE archive; empty = the official copy

    @staticmethod
    def variables() -> tuple[str, ...]:
        return tuple(f"CIFAKE_{field.name.upper()}" for field in fields(Settings))

    @staticmethod
    def from_environment() -> "Settings":
        given = {
            f.name: os.environ[f"CIFAKE_{f.name.upper()}"]
            for f in fields(Settings)
            if f"CIFAKE_{f.name.upper()}" in os.environ
        }
        if "threads" in given and not given["threads"].isdigit():
            raise BadInput(f"CIFAKE_THREADS is {given['threads']!r}; give a whole number, 0 for all cores.")
        return Settings(
            home=Path(given.get("home", "workspace")).expanduser().absolute(),
            device=given.get("device", "auto"),
            threads=int(given.get("threads", 0)),
            import_roots=given.get("import_roots", ""),
            cifake_url=given.get("cifake_url", ""),
        )
