"""Recurrent models: bidirectional LSTM, GRU, or an LSTM with a GRU over its states; then masked pooling.

The backward direction of a bidirectional net reads the padding first, so that its result depends on how much there is.
PyTorch's remedy, packed sequences, costs 1.6 to 3.3 times the run time on a processor (EXPERIMENTS.md). Here padding
carries one extra input feature that holds one gate, so that the state stays zero until the row's last token:

- LSTM: the input gate is shut, as sigmoid(-1e4) is exactly 0: nothing enters the cell.
- GRU: the update gate is open, as sigmoid(1e4) is exactly 1. h' = n + z (h - n): the zero state stays zero, and no
  gradient reaches what would have replaced it.
"""

import typing
import warnings

import torch
from torch import Tensor, nn

from foldwise.config import Model
from foldwise.models.pooling import build_pooling
from foldwise.models.text import TextModel

# Weights with the gate's column are no block of memory, and cuDNN copies them into one; an LSTM's are few.
warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
HOLD = 1e4
ALIGN = 4  # columns added for the feature: one would do, but odd row lengths slow the matrix product down


class PaddedNet(nn.RNNBase):
    """One bidirectional layer over padded rows, equal to torch's over packed ones."""

    gate: typing.ClassVar[int]  # which one padding moves, in PyTorch's order
    hold: typing.ClassVar[float]  # what padding adds to its pre-activation

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, bidirectional=True)  # type: ignore[call-arg, arg-type]

    def forward(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, E) → (B, T, 2H), the mask as in `TextModel.encode`; what stands on padding is not meaningful."""
        inputs = inputs.transpose(0, 1)  # (T, B, E), which is how `TextModel` has them in memory
        if mask is None:
            weights: list[Tensor] = [weight for direction in self.all_weights for weight in direction]
        else:
            feature = inputs.new_zeros(*inputs.shape[:2], ALIGN)
            feature[:, :, 0] = ~mask.t()
            inputs, weights = torch.cat([inputs, feature], dim=2), self.weights_with_gate()
        # cuDNN has no LSTM in bf16 before 9.13. PyTorch then takes fp16, in which small gradients vanish.
        if inputs.is_cuda and torch.get_autocast_dtype("cuda") == torch.bfloat16:
            with torch.autocast("cuda", enabled=False):
                return self.run(inputs.float(), weights).transpose(0, 1)
        return self.run(inputs, weights).transpose(0, 1)

    def run(self, inputs: Tensor, weights: list[Tensor]) -> Tensor:
        """(T, B, E) → (T, B, 2H), from zero states."""
        start = inputs.new_zeros(2, inputs.shape[1], self.hidden_size)
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        options = (True, 1, 0.0, self.training, True, False)
        if isinstance(self, nn.LSTM):  # which has a cell beside its state
            return torch.lstm(inputs, (start, start), weights, *options)[0]
        return torch.gru(inputs, start, weights, *options)[0]

    def weights_with_gate(self) -> list[Tensor]:
        """Those of both directions, with ALIGN columns of which the first moves the gate where the feature is 1."""
        weights: list[Tensor] = []
        for of_inputs, *others in self.all_weights:
            column = of_inputs.new_zeros(len(of_inputs), ALIGN)
            column[self.gate * self.hidden_size : (self.gate + 1) * self.hidden_size, 0] = self.hold
            weights += [torch.cat([of_inputs, column], dim=1), *others]
        return weights


class PaddedLSTM(PaddedNet, nn.LSTM):  # type: ignore[misc]
    """Its gates: input, forget, cell, output."""

    gate, hold = 0, -HOLD


class PaddedGRU(PaddedNet, nn.GRU):  # type: ignore[misc]
    """Its gates: reset, update, new."""

    gate, hold = 1, HOLD


class Recurrent(TextModel):
    """Layers of bidirectional nets and pooling over their states."""

    nets: typing.ClassVar[dict[str, type[PaddedNet]]]  # by attribute; `settings.layers` layers of each, in this order

    def add_encoder(self, size: int, settings: Model) -> int:
        """F = 2H times the number of poolings."""
        wide = 2 * settings.hidden
        for name, net in self.nets.items():
            sizes = [size] + [wide] * (settings.layers - 1)
            setattr(self, name, nn.ModuleList(net(inner, settings.hidden) for inner in sizes))
            size = wide
        self.residual = settings.residual
        self.pools = [(name, build_pooling(name, wide)) for name in settings.pooling]
        for name, pool in self.pools:
            if isinstance(pool, nn.Module):
                setattr(self, name, pool)  # so that its weights are the model's
        return wide * len(settings.pooling)

    def encode(self, states: Tensor, lengths: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        """Each layer over the states of the one before, with dropout between; then pooled."""
        layers = [layer for name in self.nets for layer in typing.cast(nn.ModuleList, getattr(self, name))]
        for index, layer in enumerate(layers):
            outputs = layer(self.dropout(states) if index else states, mask)  # (R, T, 2H)
            # As in Wu et al. 2016, "Google's neural machine translation system": what dropout left out is added too.
            states = states + outputs if self.residual and states.shape == outputs.shape else outputs
        return torch.cat([pool(states, mask) for _, pool in self.pools], dim=1)


class BiLSTM(Recurrent):
    """The classic of Kaggle's text competitions before transformers, as strong as its embeddings."""

    nets: typing.ClassVar = {"lstms": PaddedLSTM}


class BiGRU(Recurrent):
    """The same with GRUs (Cho et al. 2014), which have three quarters of an LSTM's weights."""

    nets: typing.ClassVar = {"grus": PaddedGRU}


class BiLSTMBiGRU(Recurrent):
    """A BiLSTM and a BiGRU over its states, the pair of many solutions of Kaggle's Jigsaw and Quora contests."""

    nets: typing.ClassVar = {"lstms": PaddedLSTM, "grus": PaddedGRU}
