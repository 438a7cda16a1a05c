"""What a launch will train: the request as a job, and as a command line. It draws nothing."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from cifake_core.detectors import topology, trainable
from cifake_core.detectors.presets import PRESETS
from cifake_core.detectors.request import TrainSettings
from cifake_core.detectors.runs import Run, run_id
from cifake_core.errors import BadInput
from cifake_core.images.image_set import ImageSet

GRIDS = {
    "quick": "Quick: 6 cells",
    "extractors": "Extractors: 12",
    "heads": "Heads: 24",
    "paper": "Paper: 36",
    "custom": "My own cells",
    "small": "Small preset",
    "strong": "Strong preset",
}
_DEFAULTS = {"epochs": 10, "batch_size": 64, "learning_rate": 1e-3, "patience": 3}


def settings_of(grid: str) -> dict:
    """What the settings of that choice are until the user changes them."""
    return PRESETS[grid].settings() if grid in PRESETS else _DEFAULTS


@dataclass(frozen=True)
class Plan:
    """One launch. `grid` is a named grid, a preset, or "custom", which takes `cells`."""

    dataset: str
    grid: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    patience: int = 3

    def names(self) -> list[str]:
        """The different networks, each once."""
        if self.grid in PRESETS:
            return [self.grid]
        if self.grid != "custom":
            return list(dict.fromkeys(str(cell) for cell in topology.grid(self.grid)))
        return list(dict.fromkeys(trainable.checked(cell) for cell in self.cells))

    def trainings(self) -> int:
        return len(self.names()) * len(self.seeds)

    def arguments(self) -> dict:
        """What the job is given; equal plans are equal jobs."""
        which = {"grid": self.grid} if self.grid in topology.GRIDS else {"topologies": self.names()}
        options = {name: getattr(self, name) for name in _DEFAULTS}
        return {"dataset": self.dataset, **which, "seeds": list(self.seeds), **options}

    def title(self) -> str:
        names = self.names()
        what = names[0] if len(names) == 1 else f"{len(names)} cells"
        seeds = "" if len(self.seeds) == 1 else f" × {len(self.seeds)} seeds"
        return f"Train {what}{seeds} on {self.dataset}"

    def command(self) -> str:
        """The command line that trains the same runs."""
        option = "preset" if self.grid in PRESETS else "grid"
        which = f"--topology {','.join(self.names())}" if self.grid == "custom" else f"--{option} {self.grid}"
        words = [f"python -m cifake_core train --dataset {shlex.quote(self.dataset)} {which}"]
        words.append(f"--seeds {','.join(map(str, self.seeds))}")
        for name, default in settings_of(self.grid).items():
            if name == "epochs" or getattr(self, name) != default:
                words.append(f"--{name.replace('_', '-')} {getattr(self, name)}")
        return " ".join(words)

    def left(self, image_set: ImageSet, runs: Sequence[Run]) -> list[TrainSettings]:
        """Its trainings that are no runs yet; the others are taken as they are."""
        settings, there = {name: getattr(self, name) for name in _DEFAULTS}, {run.id for run in runs}
        asked = [TrainSettings(name, seed, **settings) for seed in self.seeds for name in self.names()]
        return [one for one in asked if run_id(image_set.digest, one) not in there]


def parsed_seeds(text: str) -> tuple[int, ...]:
    """ "0, 1, 2" → (0, 1, 2); raises BadInput."""
    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.replace(" ", "").split(",") if part))
    except ValueError as error:
        raise BadInput(f"The seeds {text[:40]!r} are not whole numbers; write for example 0,1,2.") from error
    if not seeds or min(seeds) < 0 or len(seeds) > 100:
        raise BadInput(f"The seeds {text[:40]!r} cannot be used; write 1 to 100 whole numbers from 0, for example 0,1,2.")
    return seeds
