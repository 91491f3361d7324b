"""The image encoder of a vision–language model as a backbone: its map in the space of texts, and its vector.

The vector of a cell is what the model's own head makes of that cell alone. Heads are projections after an
average, a class token or an attention; attention over equal tokens is a projection too, so a map holds what
the head averages before it weighs cells (for CLIP's own heads: Zhou, Loy and Dai, ECCV 2022, section 3.2).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional


def image_tower(visual: Any) -> ImageTower:
    """The backbone of an image encoder of open_clip (``model.visual``)."""
    towers = {"TimmModel": TimmTower, "ModifiedResNet": ResNetTower}
    return towers.get(type(visual).__name__, TransformerTower)(visual)


class ImageTower(torch.nn.Module):
    """An image encoder. ``forward_features`` gives maps [B, C, h, w], calling it vectors [B, C].

    C is the dimension of the space of texts. Vectors pass the module ``embedding``, to be cut there.
    """

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual
        self.embedding = torch.nn.Identity()

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """The map of images [B, 3, H, W] in the space of texts."""
        raise NotImplementedError

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The model's own vectors [B, C] of images, which have the size that it was trained with."""
        vectors = self.visual(images)
        return torch.as_tensor(self.embedding(vectors[0] if isinstance(vectors, tuple) else vectors))


class TransformerTower(ImageTower):
    """open_clip's own vision transformer, for images of any number of patches.

    The embeddings of positions are interpolated, as open_clip does for weights of another size of image.
    """

    num_prefix_tokens = 1

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        rows, columns = visual.patch_size
        # As timm's transformers have it, for layers whose output is a sequence of tokens.
        self.patch_embed = SimpleNamespace(
            dynamic_feat_size=lambda size: (size[0] // rows, size[1] // columns)
        )

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self._tokens(images)[:, 1:]
        grid = self.patch_embed.dynamic_feat_size(images.shape[2:])
        return _as_map(self._head(_alone(tokens, prefix=1)), grid)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.embedding(self._head(self._tokens(images))))

    def _tokens(self, images: torch.Tensor) -> torch.Tensor:
        visual = self.visual
        patches = visual.conv1(images)
        start = visual.class_embedding.expand(len(images), 1, -1)
        tokens = torch.cat([start.to(patches), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self._positions(patches.shape[2], patches.shape[3]).to(tokens)
        return torch.as_tensor(visual.transformer(visual.ln_pre(tokens)))

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        positions, trained = self.visual.positional_embedding, self.visual.grid_size
        if (rows, columns) == tuple(trained):
            return torch.as_tensor(positions)
        grid = positions[None, 1:].transpose(1, 2).unflatten(2, trained).float()
        resized = functional.interpolate(grid, (rows, columns), mode="bicubic", antialias=True)
        return torch.cat([positions[:1].float(), resized[0].flatten(1).T])

    def _head(self, tokens: torch.Tensor) -> torch.Tensor:
        """Sequences [N, L, D], class token first, to vectors [N, C]."""
        pooled, _ = self.visual._pool(tokens)
        return torch.as_tensor(pooled if self.visual.proj is None else pooled @ self.visual.proj)


class ResNetTower(ImageTower):
    """CLIP's residual network; its attention pooling over a single cell is the projection of values."""

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        visual = self.visual
        maps = visual.stem(images)
        for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            maps = layer(maps)
        pool = visual.attnpool
        return torch.as_tensor(pool.c_proj(pool.v_proj(maps.permute(0, 2, 3, 1))).permute(0, 3, 1, 2))


class TimmTower(ImageTower):
    """A network of timm with a head of open_clip."""

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        trunk = visual.trunk
        self.num_prefix_tokens = getattr(trunk, "num_prefix_tokens", 0)
        if type(trunk).__module__ == "timm.models.vision_transformer":
            _take_any_size(trunk)

    @property
    def patch_embed(self) -> Any:
        return self.visual.trunk.patch_embed

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        trunk, visual = self.visual.trunk, self.visual
        features = trunk.forward_features(images)
        if features.ndim == 3:
            tokens = features[:, self.num_prefix_tokens :]
            grid = self.patch_embed.dynamic_feat_size(tuple(images.shape[2:]))
            return _as_map(visual.head(trunk.forward_head(_alone(tokens, self.num_prefix_tokens))), grid)
        last = str(getattr(trunk, "output_fmt", "")).endswith("NHWC")
        cells = features if last else features.permute(0, 2, 3, 1)
        alone = cells.reshape(-1, 1, 1, cells.shape[3])
        vectors = visual.head(trunk.forward_head(alone if last else alone.permute(0, 3, 1, 2)))
        return _as_map(vectors, (cells.shape[1], cells.shape[2]))


def _take_any_size(trunk: Any) -> None:
    """Have a transformer of timm interpolate its positions, as with the argument ``dynamic_img_size``."""
    from timm.layers import Format

    trunk.dynamic_img_size = True
    embed = trunk.patch_embed
    embed.strict_img_size, embed.flatten, embed.output_fmt = False, False, Format.NHWC


def _alone(tokens: torch.Tensor, prefix: int) -> torch.Tensor:
    """Tokens [B, L, D] as sequences [B·L, prefix + 1, D] of one token each, repeated for class tokens."""
    return tokens.flatten(0, 1)[:, None].expand(-1, prefix + 1, -1)


def _as_map(vectors: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Vectors [B·h·w, C], row by row, to a map [B, C, h, w]."""
    return vectors.unflatten(0, (-1, *grid)).permute(0, 3, 1, 2)
