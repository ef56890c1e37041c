"""An encoder as an OpenVINO graph: traced from torch, its large matrix products in 8 bits where they bear it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from framing.inference.compiled import runtime
from framing.inference.rounding import LEVELS, Rounded, round_layers
from framing.model.backbone import Backbone

_LAYER = re.compile(r"__module\.(.+)/aten::\w+/MatMul")
_ROUGH = 0.0125
"""Relative error of a layer's outputs in 8 bits above which a finer, slower form of its input is tried."""

_SAMPLE_ROWS = 3072

Progress = Callable[[int, int], None]


class Encoder(nn.Module):
    """words [windows x tokens x hidden], mask [windows x tokens] -> sum of the last layer over each window's tokens."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        if self.backbone.divisible:
            states: Tensor = self.backbone.embeddings(inputs_embeds=words)
            attention = (1 - mask)[:, None, None, :] * -1e4
            for layer in [*self.backbone.frozen, *self.backbone.learning]:
                states = layer(states, attention_mask=attention)
        else:
            states = self.backbone.learning[0](inputs_embeds=words, attention_mask=mask).last_hidden_state
        return (states * mask[:, :, None]).sum(1)


def word_embeddings(backbone: Backbone) -> Tensor:
    """[words x hidden]."""
    table: Any = backbone.embeddings
    weight: Tensor = getattr(table, "word_embeddings", table).weight.detach()
    return weight


def trace(encoder: Encoder, hidden: int) -> Any:
    """The encoder as a graph for any number of windows and tokens."""
    openvino = runtime()
    example = {"words": torch.randn(2, 16, hidden), "mask": torch.ones(2, 16)}
    shapes = [openvino.PartialShape([-1, -1, hidden]), openvino.PartialShape([-1, -1])]
    with torch.no_grad():
        return openvino.convert_model(encoder, example_input=example, input=shapes)


def layer_inputs(encoder: Encoder, samples: Sequence[Tensor]) -> dict[str, NDArray[np.float32]]:
    """What comes into each linear layer, [rows x inputs], by the layer's name.

    samples: word vectors [1 x tokens x hidden] of some texts. Of each, the first token is taken (it carries values like
    no other) and some of the rest.
    """
    rng = np.random.default_rng(0)
    found: dict[str, list[NDArray[np.float32]]] = {}
    chosen = np.zeros(1, np.int64)

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found.setdefault(name, []).append(inputs[0][0, chosen].float().numpy())

        return hook

    linear = {name: module for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}
    hooks = [module.register_forward_hook(watch(name)) for name, module in linear.items()]
    each = max(2, _SAMPLE_ROWS // max(1, len(samples)))
    with torch.inference_mode():
        for words in samples:
            chosen = np.append(0, rng.permutation(np.arange(1, words.shape[1]))[: each - 1])
            encoder(words, torch.ones(words.shape[:2]))
    for hook in hooks:
        hook.remove()
    return {name: np.concatenate(rows) for name, rows in found.items()}


@dataclass(frozen=True, slots=True)
class Products:
    """Matrix products of one input with constant weights, and the name of one of their layers."""

    name: str
    nodes: list[Any]

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        return [np.array(node.input_value(1).get_node().data, np.float32) for node in self.nodes]


def round_products(model: Any, inputs: Mapping[str, NDArray[np.float32]], progress: Progress) -> dict[str, Rounded]:
    """8-bit forms of the products with weights, by the name of a layer; those without sample inputs are left out."""
    groups = list(_products(model))
    found = {}
    for number, group in enumerate(groups, 1):
        if group.name in inputs:
            found[group.name] = round_layers(inputs[group.name], group.weights, _ROUGH)
        progress(number, len(groups))
    return found


def use_rounded(model: Any, rounded: Mapping[str, Rounded], limit: float) -> tuple[int, int]:
    """Replace products by their 8-bit forms, in place, where the error is within `limit`; how many of how many."""
    done = total = 0
    for group in list(_products(model)):
        total += len(group.nodes)
        if group.name in rounded and rounded[group.name].error <= limit:
            _replace(group, rounded[group.name])
            done += len(group.nodes)
    model.validate_nodes_and_infer_types()
    return done, total


def _products(model: Any) -> Iterator[Products]:
    groups: dict[tuple[str, int], Products] = {}
    for node in model.get_ordered_ops():
        found = _LAYER.match(node.get_friendly_name())
        if node.get_type_name() != "MatMul" or not found:
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant" and node.get_attributes()["transpose_b"]:
            source = node.input_value(0)
            key = (source.get_node().get_friendly_name(), source.get_index())
            groups.setdefault(key, Products(found[1], [])).nodes.append(node)
    yield from groups.values()


def _replace(group: Products, rounded: Rounded) -> None:
    """The group's products in 8 bits. The runtime sees the levels of both sides and multiplies whole numbers."""
    runtime()
    from openvino import opset13 as ops

    def constant(value: Any) -> Any:
        return ops.constant(np.asarray(value, np.float32))

    form, source, step = rounded.form, group.nodes[0].input_value(0), None
    last = ops.constant(np.array(-1))
    copies = form.channels[group.weights[0].shape[1] :]
    if len(copies):
        source = ops.concat([source, ops.gather(source, ops.constant(copies), last)], -1).output(0)
    if np.ptp(form.divisors):
        source = ops.multiply(source, constant(1 / form.divisors)).output(0)
    low, high = constant(rounded.low), constant(rounded.high)
    if form.by_token:
        largest = ops.reduce_max(ops.absolute(source), last, keep_dims=True)
        step = ops.add(ops.multiply(largest, constant(1 / LEVELS)), constant(1e-9))
        source = ops.divide(source, step).output(0)
        low, high = constant(-LEVELS - 1), constant(LEVELS)
    levels = ops.fake_quantize(source, low, high, low, high, 256)
    for node, weights, scales in zip(group.nodes, rounded.weights, rounded.scales, strict=True):
        kept = ops.multiply(ops.convert(ops.constant(weights), "f32"), constant(scales[:, None]))
        product = ops.matmul(levels, kept, transpose_a=False, transpose_b=True)
        product = product if step is None else ops.multiply(product, step)
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(product.output(0))
