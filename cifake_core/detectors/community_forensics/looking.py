"""A detector's answer to picture files as they are: nothing is shrunk to an image set's 32 pixels first."""

from pathlib import Path

import torch

from cifake_core import hardware
from cifake_core.detectors import networks, runs
from cifake_core.detectors.community_forensics import adding, preprocessing, weights
from cifake_core.detectors.community_forensics.models import model_of
from cifake_core.errors import BadInput
from cifake_core.images import codec
from cifake_core.store import artifacts
from cifake_core.store.workspace import Workspace


def look_at(workspace: Workspace, detector: str, files: list[str]) -> list[dict]:
    """[{"file", "fake_probability"}] in the order of the files. Raises NotFound, or BadInput for what is no image."""
    folder = adding.folder_of(workspace, detector)
    model = model_of(artifacts.read_json(folder / artifacts.RECORD)["model"])
    network = networks.build(model.name)
    network.load_state_dict(weights.read(artifacts.verify(folder, runs.WEIGHTS)))
    device = hardware.chosen_device()
    network.to(device).eval()
    found = []
    for file in files:
        shown = preprocessing.stacked([preprocessing.shown(codec.decode(_bytes(file), name=Path(file).name), model)])
        with torch.inference_mode():
            logit = network(networks.as_input(shown.to(device)))
        found.append({"file": file, "fake_probability": float(logit.double().sigmoid())})
    return found


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise BadInput(f"{Path(file).name!r} cannot be read; check the path.") from error
