"""Training a latent diffusion model of our own on the real images of a set; ends as a stock DiTPipeline folder.

What is asked and what it comes to; the work itself, and torch with it, is in chapters.py. It does not know how images are
generated in bulk (generating.py).
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cifake_core.errors import BadInput, Conflict
from cifake_core.generators.designs import Design, design_of
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts
from cifake_core.store.workspace import checked_name


@dataclass(frozen=True)
class TrainGenerator:
    """Trains on the real images of a set's train split (the sealed test split is not read) and saves a generator.

    Measured on 2 CPU cores (AVX2): see benchmarks/RESULTS.md. The result is the same folder on every device.
    """

    dataset: str
    name: str  # of the generator in the workspace
    preset: str = "demo"  # demo, cifar10 or cifar10-gpu
    minutes: float = 0.0  # of training; 0 = the preset's
    autoencoder_steps: int = 0  # these two rule the training by steps instead of minutes
    transformer_steps: int = 0
    seed: int = 0
    out: str = ""  # folder to write to; "" = the workspace's generators/<name>
    design: dict = field(default_factory=dict)  # numbers that differ from the preset's, see designs.Design
    checkpoint_s: float = 120.0

    def __post_init__(self) -> None:
        checked_name(self.name)
        if (self.autoencoder_steps > 0) != (self.transformer_steps > 0) or min(
            self.autoencoder_steps, self.transformer_steps
        ) < 0:
            raise BadInput("Give steps for both the autoencoder and the transformer, or for neither.")
        if self.minutes < 0 or (self.minutes and self.autoencoder_steps):
            raise BadInput(
                f"Training takes {self.minutes} minutes and a number of steps; give one of the two, above 0."
            )
        self.numbers()

    def numbers(self) -> Design:
        """The preset with this training's changes. Raises BadInput for what cannot be built."""
        changes = dict(self.design)
        if self.minutes:
            changes["minutes"] = self.minutes
        return design_of(self.preset, changes)

    def run(self, context: Context) -> dict:
        """Trains, or goes on training; returns the generator's record and folder. Raises Refused, Conflict, NotFound."""
        images = ImageSet.open(context.workspace, self.dataset)
        folder = Path(self.out).expanduser().absolute() if self.out else context.workspace.generators / self.name
        request = self._request(images)
        if folder.exists():
            return _finished(folder, request)
        from cifake_core.generators import chapters

        work = context.workspace.generators / f".training-{self.name}-{request[:12]}"
        chapters.train(self, images, context, work, folder, request)
        return _finished(folder, request)

    def _request(self, images: ImageSet) -> str:
        """Digest of everything that decides the weights: a folder made for another request is not overwritten."""
        asked = {**asdict(self), "numbers": asdict(self.numbers()), "data": images.digest}
        for key in ("name", "out", "checkpoint_s", "dataset"):
            asked.pop(key)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _finished(folder: Path, request: str) -> dict:
    """The record of a finished training; Conflict if the folder holds something else."""
    if (
        not (folder / artifacts.RECORD).exists()
        or artifacts.read_json(folder / artifacts.RECORD).get("request") != request
    ):
        raise Conflict(
            f"{folder.name!r} exists already and was made otherwise; choose another name or delete it first."
        )
    return {"folder": str(folder), "name": folder.name, **artifacts.read_json(folder / artifacts.RECORD)}
