"""TextCNN (Kim 2014, "Convolutional neural networks for sentence classification"): filters over a few tokens, max.

A filter sees the windows that lie wholly inside a row, however far the batch is padded; of a row shorter than the
filter there is one window, filled up with zeros.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foldwise.config import Model
from foldwise.models.pooling import masked_max
from foldwise.models.text import TextModel


class TextCNN(TextModel):
    """Conv1d of each width, ReLU, max over time."""

    def add_encoder(self, size: int, settings: Model) -> int:
        """F = channels times the number of kernel sizes."""
        self.convolutions = nn.ModuleList(nn.Conv1d(size, settings.channels, width) for width in settings.kernel_sizes)
        self.kernel_sizes = settings.kernel_sizes
        return settings.channels * len(settings.kernel_sizes)

    def encode(self, states: Tensor, lengths: Tensor, mask: Tensor | None) -> Tensor:
        """The largest answer of each filter in the windows of a row, zero where that is negative or a row is empty."""
        missing = max(self.kernel_sizes) - states.shape[1]
        if mask is not None:
            states = states.masked_fill(~mask[:, :, None], 0)  # seen by the only window of a short row
        if missing > 0:
            states = functional.pad(states, (0, 0, 0, missing))
        sizes = None if mask is None and missing <= 0 else lengths.to(states.device, non_blocking=True)
        pooled = []
        for width, convolution in zip(self.kernel_sizes, self.convolutions, strict=True):
            answers = convolution(states.transpose(1, 2)).transpose(1, 2)  # (R, windows, channels)
            windows = None if sizes is None else inside(sizes, width, answers.shape[1])
            pooled.append(masked_max(answers, windows))
        # ReLU after the max, which it does not change, and on fewer numbers.
        return functional.relu(torch.cat(pooled, dim=1))


def inside(sizes: Tensor, width: int, count: int) -> Tensor:
    """(R, count) bool: which windows of `width` tokens count, by where they begin, in rows of `sizes` (R,) tokens.

    >>> inside(torch.tensor([5, 3, 1, 0]), 3, 4).int().tolist()
    [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    """
    begin = torch.arange(count, device=sizes.device)
    return (begin <= (sizes[:, None] - width).clamp(min=0)) & (sizes[:, None] > 0)
