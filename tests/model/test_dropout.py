"""Cheap dropout is dropout: its rate, its scale, its seed, and nothing at all when tagging."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from framing.model.dropout import ByteDropout, use_cheap_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_drops_at_its_rate_and_keeps_the_mean(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    found = ByteDropout(0.25)(torch.ones(400, 500, dtype=dtype)).float()
    assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.02)
    assert len(found.unique()) == 2


def test_the_seed_decides_what_is_dropped() -> None:
    layer, ones = ByteDropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first, second = layer(ones), layer(ones)
    torch.manual_seed(3)
    assert torch.equal(layer(ones), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_when_tagging_or_at_rate_nought_and_all_at_rate_one() -> None:
    ones = torch.ones(100)
    assert torch.equal(ByteDropout(0.5).eval()(ones), ones)
    assert torch.equal(ByteDropout(0.0)(ones), ones)
    assert torch.equal(ByteDropout(1.0)(ones), 0 * ones)


def test_what_is_kept_passes_its_gradient_on() -> None:
    torch.manual_seed(0)
    ones = torch.ones(1000, requires_grad=True)
    found = ByteDropout(0.5)(ones)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(ones.grad, found.detach())


def test_every_dropout_within_a_module_is_replaced() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.2), nn.ReLU()))
    use_cheap_dropout(module)
    kinds = [type(part) for part in module.modules()]
    assert ByteDropout in kinds
    assert nn.Dropout not in kinds
