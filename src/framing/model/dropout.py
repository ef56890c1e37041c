"""Dropout (Srivastava et al. 2014) whose random numbers cost little on a processor."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_BYTE = 256


class ByteDropout(nn.Dropout):
    """Dropout that draws one random byte a number: rates are rounded to 256ths.

    torch draws its numbers on a CPU one after the other, which took a ninth of a training step; bytes of a small fast
    generator, seeded by torch's at each call, take a hundredth. So `torch.manual_seed` still decides what is drawn.
    On other devices it is torch's own.
    """

    def forward(self, states: Tensor) -> Tensor:
        cut = round(self.p * _BYTE)
        if not self.training or states.device.type != "cpu" or cut == _BYTE:
            return super().forward(states)
        if cut == 0:
            return states
        generator = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, (1,)))))
        drawn = torch.frombuffer(bytearray(generator.bytes(states.numel())), dtype=torch.uint8).view(states.shape)
        return states * ((drawn >= cut).to(states.dtype) * (_BYTE / (_BYTE - cut)))


def use_cheap_dropout(module: nn.Module) -> None:
    """Every `nn.Dropout` within, replaced."""
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if type(child) is nn.Dropout:
                setattr(part, name, ByteDropout(child.p))
