"""A residual network of convolutions over images, and over the words of texts beside them.

images (B, channels, H, W) → convolution → stages of residual blocks → mean over all places, (B, F) → joined with the
mean of the word vectors → dropout → head, (B, C). Any height and width fit, as the mean is over whatever is left.
"""

from math import gcd
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from foldwise.config import Recipe
from foldwise.models.pooling import masked_mean, token_mask
from foldwise.plugins import as_input_error, load

WORDS, WORD_SIZE = 1 << 15, 64  # rows and numbers of the table of hashed words
GROUPS = 8  # of channels that are normalised together


class Block(nn.Module):
    """Two convolutions and a way around them (He et al. 2016, "Identity mappings in deep residual networks").

    Group norm (Wu & He 2018) sees one image at a time: predictions do not depend on the batch, and the average of the
    weights needs no statistics of its own.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(gcd(GROUPS, inputs), inputs), nn.GroupNorm(gcd(GROUPS, outputs), outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.around = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H / stride, W / stride)."""
        y = functional.relu(self.norm1(x))
        around = x if self.around is None else self.around(y)
        return self.conv2(functional.relu(self.norm2(self.conv1(y)))) + around


class ResNet(nn.Sequential):
    """Stages of blocks; (B, channels, H, W) → (B, F), F = width · 2^(stages - 1)."""

    def __init__(self, channels: int, width: int, stages: int, blocks: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
        for stage in range(stages):
            inputs, outputs = width * 2 ** max(0, stage - 1), width * 2**stage
            layers += [Block(inputs, outputs, 2 if stage else 1)]
            layers += [Block(outputs, outputs, 1) for _ in range(blocks - 1)]
        norm = nn.GroupNorm(gcd(GROUPS, outputs), outputs)
        super().__init__(*layers, norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class ConvNet(nn.Module):
    """Features of an image, joined with those of its texts, under a linear head.

    Args:
        texts: whether rows have texts.
    """

    def __init__(self, features: nn.Module, width: int, outputs: int, texts: bool, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.embedding = nn.Embedding(WORDS, WORD_SIZE, sparse=True) if texts else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width + WORD_SIZE * texts, outputs)

    def forward(self, tokens: Tensor, lengths: Tensor, images: Tensor) -> Tensor:
        """(B, C) logits of (B, T) int hashed words, their (B,) numbers, and (B, channels, H, W) uint8 images."""
        seen = self.features(images.float().div(127.5).sub(1)).float()
        if self.embedding is not None:
            words = masked_mean(self.embedding(tokens), token_mask(tokens, lengths))
            seen = torch.cat([seen, words], dim=1)
        return self.head(self.dropout(seen))


def build_convnet(recipe: Recipe, weights: Path | None, outputs: int, texts: bool, seed: int) -> ConvNet:
    """The network that the recipe asks for, drawn from `seed`; `images.backbone` with pretrained weights, if any.

    Raises:
        InputError: code or weights of the user's own that do not fit.
    """
    settings, dropout = recipe.images, recipe.model.dropout
    torch.manual_seed(seed)
    if not settings.backbone:
        net = ResNet(settings.channels, settings.width, settings.stages, settings.blocks)
        return ConvNet(net, settings.width * 2 ** (settings.stages - 1), outputs, texts, dropout)
    where, own = f"recipe.images.backbone = {settings.backbone!r}", load(settings.backbone, "recipe.images.backbone")
    example = torch.zeros(2, settings.channels, *settings.size)
    with as_input_error(f"{where}: ", f"; it must give (2, F) numbers for {tuple(example.shape)}"), torch.no_grad():
        backbone = own(**settings.arguments)
        _, width = backbone.eval()(example).shape
    if weights:
        read_weights(backbone, weights)
    return ConvNet(backbone, width, outputs, texts, dropout)


def read_weights(net: nn.Module, path: Path) -> None:
    """Give a network its weights of a file, in which there may be further ones, such as those of another head."""
    with as_input_error(f"{path}: no weights of recipe.images.backbone: ", "; give a .safetensors file of it"):
        if missing := net.load_state_dict(load_file(path), strict=False).missing_keys:
            raise ValueError(f"{missing[0]} is missing")
