"""After and before a set is made: the same image again from its provenance, and how long a plan will take.

It does not make sets.
"""

import json
import time
from dataclasses import dataclass

import numpy as np

from cifake_core import hardware
from cifake_core.errors import BadInput, Conflict
from cifake_core.generators import pipelines
from cifake_core.generators.generating import Generate
from cifake_core.generators.painting import Painter
from cifake_core.generators.request import Manner, Request
from cifake_core.images.codec import decode
from cifake_core.store.workspace import Workspace


@dataclass(frozen=True)
class Estimate:
    """What a plan costs on this machine, from a short calibration."""

    images: int
    loading_s: float
    seconds: float  # all images, loading included
    images_per_s: float
    device: str


def estimate(step: Generate, workspace: Workspace) -> Estimate:
    """Loads the generator and times two denoising steps of one batch of the plan.

    Both the fixed part (text, decoding) and the part a step costs are measured: one run of one step, one of two.
    """
    began = time.monotonic()
    source = pipelines.find(workspace, step.generator)
    painter = step.painter(source)
    loading = time.monotonic() - began
    batches = step.batches(source)
    one, two = (_timed(painter, batches[0], steps) for steps in (1, 2))
    per_step = max(two - one, 0.0)
    batch_s = one + per_step * (step.manner(source).steps - 1)
    images = sum(len(batch) for batch in batches)
    total = batch_s * len(batches)
    return Estimate(images, round(loading, 2), round(loading + total, 1), round(images / total, 2), painter.device.type)


def regenerate(provenance: dict | str, workspace: Workspace, folder: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (32, 32, 3) as stored, and (H, W, 3) as the pipeline gave them: the same as before on the same kind of device.

    `folder`: where the generator lies, if it was one of the machine's folders; records tell only its name.
    Raises Conflict if the generator of that name has other weights now, BadInput for a provenance not written here.
    """
    made = json.loads(provenance) if isinstance(provenance, str) else provenance
    try:
        named = made["generator"]
        source = pipelines.find(workspace, folder if folder and made.get("generator_kind") == "folder" else named)
        manner = Manner(made["steps"], made["guidance"], made["negative_prompt"], made["scheduler_asked"], made["size"])
        request = Request(made["class"], made["index"], made["seed"], made["prompt"])
        batch, slot, revision = made["batch"], made["slot"], made["revision"]
    except KeyError as error:
        raise BadInput(f"This image's record has no {error.args[0]!r}, so it cannot be made again; it was not generated here.") from error
    if source.revision != revision:
        raise Conflict(f"The generator {source.id!r} has other weights than when the image was made; get those it was made with.")
    painted = Painter(source, manner, batch, (request.class_name,), lambda message: None).repaint(request, slot)
    return decode(painted.data), painted.original


def _timed(painter: Painter, batch: list[Request], steps: int) -> float:
    whole = painter.engine.manner
    painter.engine.manner = Manner(steps, whole.guidance, whole.negative_prompt, whole.scheduler, whole.size)
    try:
        began = time.monotonic()
        painter.paint(batch, redraw=False)
        hardware.synchronize(painter.device)
        return time.monotonic() - began
    finally:
        painter.engine.manner = whole
