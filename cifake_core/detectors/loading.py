"""A run's network, ready to look at images: weights compared with their checksum, architecture with the record."""

from dataclasses import dataclass, replace
from threading import RLock

import torch
from safetensors.torch import load_file
from torch import nn

from cifake_core import hardware
from cifake_core.detectors import networks
from cifake_core.detectors.presets import PRESETS, Preset
from cifake_core.detectors.runs import WEIGHTS, Run
from cifake_core.errors import Damaged
from cifake_core.store import artifacts


@dataclass(frozen=True)
class Detector:
    """A network with its lock: explanation methods set modes, zero gradients and add hooks, so one user at a time."""

    run: Run
    network: nn.Module
    device: torch.device
    lock: RLock


def built(run: Run) -> nn.Module:
    """The run's network without its weights, as its record describes it: the preset of its name may be another today. Raises Damaged."""
    if run.topology not in PRESETS:
        return networks.build(run.topology)
    try:
        numbers = run.record.get("preset")  # runs of the first versions have none, and were judged one way
        preset = Preset.recorded(numbers) if numbers else replace(PRESETS[run.topology], both_ways=False)
        return networks.build(run.topology, preset)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise Damaged(f"The record of {run.id} describes its network {run.topology} in an unknown way; train the run again.") from error


def load(run: Run, device: str | None = None) -> Detector:
    """The run's network with its best weights, in evaluation mode. Raises Damaged."""
    path = artifacts.verify(run.folder, WEIGHTS)
    chosen = hardware.chosen_device(device)
    network = built(run)
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except (RuntimeError, OSError, ValueError) as error:
        raise Damaged(
            f"The weights of {run.id} do not fit its topology {run.topology}; train the run again."
        ) from error
    if not all(torch.isfinite(value).all() for value in weights.values()):
        raise Damaged(f"The weights of {run.id} hold values that are not numbers; train the run again.")
    network = network.to(chosen, memory_format=torch.channels_last).eval()
    return Detector(run, network.requires_grad_(True), chosen, RLock())
