"""The paper's detector as a network like any other here: pictures in [0, 1] of any size → one logit, 1 = fake.

Weights carry the published names (`vit.…`), so the authors' files load as they are. Every block offers a place where a
class activation map can be taken: its normalised patch tokens as (N, C, h, w), what `grad-cam` calls a reshape transform.
"""

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from cifake_core.detectors.community_forensics import preprocessing
from cifake_core.detectors.community_forensics.models import Model, model_of
from cifake_core.detectors.networks import MapPlace


class MappedNorm(nn.LayerNorm):
    """The normalisation before a block's attention, its patch tokens passing a `MapPlace` on their way.

    Here and not after the block: of the last block's output only the class token is used, so the patches' gradient is 0.
    """

    def __init__(self, norm: nn.LayerNorm, prefix: int, side: int) -> None:
        super().__init__(norm.normalized_shape, norm.eps)
        self.load_state_dict(norm.state_dict())
        self.prefix, self.side = prefix, side
        self.map = MapPlace()

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (N, prefix + h·w, C) → the same shape."""
        x = super().forward(tokens)
        grid = x[:, self.prefix :].transpose(1, 2).unflatten(2, (self.side, self.side))  # (N, C, h, w)
        grid = self.map(grid).flatten(2).transpose(1, 2)
        return torch.cat([x[:, : self.prefix], grid], dim=1)


class ForensicsViT(nn.Module):
    """ViT-S/16 with one logit. Resizing, cropping and normalising are part of it, so any caller gets them right."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.vit = _transformer(model)
        side = model.crop // model.patch
        for block in self.vit.blocks:
            block.norm1 = MappedNorm(block.norm1, self.vit.num_prefix_tokens, side)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, H, W) in [0, 1] → logits (N,). Without gradients, many are taken a few at a time: memory."""
        if len(images) > self.model.batch and not torch.is_grad_enabled():
            return torch.cat([self._logits(part) for part in images.split(self.model.batch)])
        return self._logits(images)

    def _logits(self, images: Tensor) -> Tensor:
        seen = preprocessing.normalised(preprocessing.framed(images, self.model))
        return self.vit(seen.contiguous()).squeeze(1)

    def seen_share(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Which part of a picture of that size a map of this network covers; see `preprocessing.seen_share`."""
        return preprocessing.seen_share(height, width, self.model)


def _transformer(model: Model) -> VisionTransformer:
    if model.timm:
        return timm.create_model(model.timm, pretrained=False, num_classes=1)
    return VisionTransformer(
        img_size=model.crop,
        patch_size=model.patch,
        num_classes=1,
        embed_dim=model.width,
        depth=model.depth,
        num_heads=model.heads,
    )


def build(name: str) -> ForensicsViT:
    """A freshly initialised network. Draws from torch's global random state."""
    return ForensicsViT(model_of(name))
