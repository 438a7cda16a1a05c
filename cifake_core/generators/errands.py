"""Short jobs around a generation, each of which loads a generator: how long will it take, keep what a stopped one has
made, make one image again. It does not know how they are done (remaking.py, generating.py).
"""

from dataclasses import asdict, dataclass

import numpy as np

from cifake_core.errors import BadInput, NotFound
from cifake_core.generators.generating import Generate
from cifake_core.images.codec import decode, encode_png
from cifake_core.images.image_set import ImageSet
from cifake_core.step import Context
from cifake_core.store import artifacts

REMADE = "remade.png"  # in the scratch folder


@dataclass(frozen=True)
class EstimateTime:
    """How long a generation will take on this machine, from a few real denoising steps. `step` holds Generate's fields."""

    step: dict

    def __post_init__(self) -> None:
        Generate(**self.step)

    def run(self, context: Context) -> dict:
        """The fields of `remaking.Estimate`."""
        from cifake_core.generators import remaking

        context.on_progress(0, 1, "loading the generator and timing two steps")
        found = asdict(remaking.estimate(Generate(**self.step), context.workspace))
        context.on_progress(1, 1, f"{found['images_per_s']} images/s on {found['device']}")
        return found


@dataclass(frozen=True)
class KeepDone:
    """What a stopped generation has finished becomes its image set. Done twice, it gives the set that is there."""

    step: dict

    def __post_init__(self) -> None:
        Generate(**self.step)

    def run(self, context: Context) -> dict:
        """What `Generate.keep_done` says of the set, or its name and number of images if it was kept before."""
        step = Generate(**self.step)
        try:
            return step.keep_done(context)
        except NotFound:
            if not (context.workspace.image_sets / step.name / artifacts.RECORD).exists():
                raise
            kept = ImageSet.open(context.workspace, step.name)
            if "kept early" not in str(kept.record["source"].get("request")):
                raise
            return {"dataset": kept.name, "images": sum(kept.record["rows"].values()), "digest": kept.digest}


@dataclass(frozen=True)
class Remake:
    """Makes one image of a set again from its provenance alone, and compares it pixel by pixel."""

    dataset: str
    split: str
    row: int  # in the official split

    def __post_init__(self) -> None:
        if self.row < 0:
            raise BadInput(f"There is no row {self.row}; rows are counted from 0.")

    def run(self, context: Context) -> dict:
        """{"same": every pixel equal, "largest_difference" of a channel, of 255}; the image goes to the scratch folder."""
        from cifake_core.generators import remaking

        images = ImageSet.open(context.workspace, self.dataset)
        there = decode(images.encoded(self.split, self.row))
        manifest = images.manifest("test" if self.split == "test" else "train+validation")
        context.on_progress(0, 1, "making the image again")
        again, _ = remaking.regenerate(manifest["provenance"].iloc[self.row], context.workspace, _folder(images))
        if context.scratch is not None:
            with artifacts.whole_file(context.scratch / REMADE) as temporary:
                temporary.write_bytes(encode_png(again))
        context.on_progress(1, 1, "compared")
        difference = np.abs(again.astype(np.int16) - there.astype(np.int16))
        return {"same": bool((difference == 0).all()), "largest_difference": int(difference.max())}


def _folder(images: ImageSet) -> str:
    """The generator of the request that made the set, as it was named: for a folder its place on this machine."""
    asked = images.record["source"].get("step")
    return str(asked.get("generator", "")) if isinstance(asked, dict) else ""
