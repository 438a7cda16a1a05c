"""What is asked of one training, as plain values. No torch here, so a page can check a request at once."""

from dataclasses import dataclass

from cifake_core.detectors import trainable
from cifake_core.detectors.presets import PRESETS
from cifake_core.errors import BadInput


@dataclass(frozen=True)
class TrainSettings:
    """All that decides one training, besides the images. Equal settings on one machine give equal weights (on a CPU)."""

    topology: str  # a topology's name, "32x2-64x1", or a preset's, "small"
    seed: int = 0  # initial weights and order of the images
    epochs: int = 10  # at most; passes over the training images
    batch_size: int = 64  # images a step
    learning_rate: float = 1e-3  # of Adam; of a preset, the highest it reaches
    patience: int = 3  # epochs without a better validation accuracy before it stops; 0 = never stops early
    precision: str = "auto"  # of training: "fp32", "bf16" or "auto": bf16 where the hardware multiplies it; verdicts are in fp32

    def __post_init__(self) -> None:
        trainable.checked(self.topology)
        for name, least, most in (
            ("epochs", 1, 1000),
            ("batch_size", 1, 4096),
            ("patience", 0, 1000),
            ("seed", 0, 2**31),
        ):
            if not least <= getattr(self, name) <= most:
                raise BadInput(
                    f"{name.replace('_', ' ').capitalize()} is {getattr(self, name)}; it goes from {least} to {most}."
                )
        if not 0 < self.learning_rate <= 1:
            raise BadInput(f"The learning rate is {self.learning_rate}; it lies above 0 and up to 1.")
        if self.topology in PRESETS and self.patience:
            raise BadInput(
                f"The patience is {self.patience}, but {self.topology} lowers its learning rate until the last epoch and "
                "must not stop before; take patience 0."
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            raise BadInput(f"The precision is {self.precision!r}; take auto, fp32 or bf16.")
