"""Checkpoints of an unfinished training: whole or absent, found to be damaged before they are used.

One safetensors file an epoch, then `checkpoint.json` naming it with its SHA-256. A damaged checkpoint is dropped: the
training starts over and reaches the same weights, only later.
"""

import logging
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cifake_core.detectors.state import Epoch, State
from cifake_core.errors import CifakeError, Damaged
from cifake_core.store import artifacts

_INDEX = "checkpoint.json"
log = logging.getLogger(__name__)


def save(folder: Path, state: State) -> None:
    """Writes the whole state; the previous checkpoint is removed only after the new one counts."""
    name = f"epoch-{len(state.history):04d}.safetensors"
    with artifacts.whole_file(folder / name) as temporary:
        save_file(_tensors(state), temporary)
    artifacts.write_json(
        folder / _INDEX,
        {
            "file": name,
            "sha256": artifacts.sha256(folder / name),
            "threads": torch.get_num_threads(),
            "optimizer": type(state.optimizer).__name__,
            "history": [asdict(epoch) for epoch in state.history],
        },
    )
    for old in folder.glob("epoch-*.safetensors"):
        if old.name != name:
            old.unlink()


def restore(folder: Path, state: State) -> None:
    """Puts the folder's checkpoint into the state; leaves it as it is if there is none, or only a damaged one."""
    if not (folder / _INDEX).exists():
        return
    try:
        index = artifacts.read_json(folder / _INDEX)
        path = folder / index["file"]
        if not path.exists() or artifacts.sha256(path) != index["sha256"]:
            raise Damaged(f"The checkpoint {index['file']} does not match its checksum; the training starts over.")
        threads = int(index["threads"])
        if index.get("optimizer", kind := type(state.optimizer).__name__) != kind:
            raise Damaged(f"The checkpoint {index['file']} is of another optimizer; the training starts over.")
    except (CifakeError, KeyError) as error:
        log.warning("checkpoint dropped: %s", error)
        return
    torch.set_num_threads(threads)  # the order of sums, and so the last bits, depend on it
    tensors = load_file(path)
    state.network.load_state_dict(_group(tensors, "network."))
    state.best_weights = _group(tensors, "best.")
    state.losses = tensors.get("losses")
    _restore_optimizer(state.optimizer, tensors)
    state.history[:] = [Epoch(**epoch) for epoch in index["history"]]


def _tensors(state: State) -> dict[str, torch.Tensor]:
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    for number, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    if state.losses is not None:
        tensors["losses"] = state.losses
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    whole = optimizer.state_dict()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    whole["state"] = {
        number: {
            name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value
            for name, value in _group(tensors, f"optimizer.{number}.").items()
        }
        for number in range(len(parameters))
    }
    optimizer.load_state_dict(whole)
