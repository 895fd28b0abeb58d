"""Writes networks.json: two networks with given weights trained for five steps on all rows, by PyTorch in float64.

Usage: python3 make_networks.py (torch 1.13). Data and initial weights are exact in f32; images are [N, C, H, W]; the loss
is cross-entropy. `losses` are those before each step, without a penalty; `gradients` are the first step's, before
clipping; `final` holds weights and running statistics; `logits` are the trained network's at inference.
A large epsilon keeps AdamW from blowing up the rounding noise that is the gradient of a bias before batchNorm. No input
of a relu comes near zero and no window of maxPool2d near a tie, so that rounding does not decide: this is asserted.
"""
import json
import pathlib

import numpy
import torch
from torch import nn
from torch.nn import functional

STEPS = 5
MARGIN = 2e-4
near = []


def exact(values):
    return torch.tensor(numpy.asarray(values, dtype=numpy.float32).astype(numpy.float64))


def grid(random, shape, scale):
    return exact(random.standard_normal(shape) * scale * 4096 // 1 / 4096)


def tensor(t):
    """What is not exact in f32, and so a result, is written with 12 digits."""
    values = [v if numpy.float32(v) == v else float(f"{v:.12g}") for v in t.detach().flatten().tolist()]
    return {"shape": list(t.shape), "values": values}


def tensors(named):
    return {name: tensor(t) for name, t in named if not name.endswith("num_batches_tracked")}


def relu(x):
    near.append(x.detach().abs().min().item())
    return torch.relu(x)


def max_pool(x):
    windows = functional.unfold(x.detach().flatten(0, 1)[:, None], 2, stride=2)
    first, second = windows.topk(2, dim=1).values.unbind(1)
    # A window of zeros, all cut off by relu, has no gradient to pass on.
    near.append((first - second)[first > 0].min().item())
    return functional.max_pool2d(x, 2)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 5, (2, 3), stride=(1, 2), padding=(0, 1))
        self.batchNorm = nn.BatchNorm2d(5)
        self.layerNorm = nn.LayerNorm(20)
        self.dense = nn.Linear(20, 3)

    def forward(self, x):
        x = max_pool(relu(self.conv1(x)))
        x = relu(self.batchNorm(self.conv2(x)))
        x = torch.flatten(functional.avg_pool2d(x, 2, 1), 1)
        return self.dense(self.layerNorm(x))


class SkipNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.second = nn.Linear(8, 8)
        self.output = nn.Linear(14, 3)

    def forward(self, x):
        a = torch.tanh(self.first(x))
        b = relu(self.second(a))
        return self.output(torch.cat((a + b, x), 1))


CONV_LAYERS = [
    {"name": "conv1", "kind": "conv2d", "filters": 3, "kernel": [3, 3], "padding": [1, 1]},
    {"name": "relu1", "kind": "relu"},
    {"name": "maxPool", "kind": "maxPool2d", "kernel": [2, 2], "stride": [2, 2]},
    {"name": "conv2", "kind": "conv2d", "filters": 5, "kernel": [2, 3], "stride": [1, 2], "padding": [0, 1]},
    {"name": "batchNorm", "kind": "batchNorm", "momentum": 0.1, "epsilon": 1e-5},
    {"name": "relu2", "kind": "relu"},
    {"name": "avgPool", "kind": "avgPool2d", "kernel": [2, 2], "stride": [1, 1]},
    {"name": "flatten", "kind": "flatten"},
    {"name": "layerNorm", "kind": "layerNorm", "epsilon": 1e-5},
    {"name": "dense", "kind": "dense", "units": 3},
]
SKIP_LAYERS = [
    {"name": "first", "kind": "dense", "units": 8, "activation": "tanh", "inputs": ["data"]},
    {"name": "second", "kind": "dense", "units": 8, "activation": "relu", "inputs": ["first"]},
    {"name": "sum", "kind": "add", "inputs": ["first", "second"]},
    {"name": "joined", "kind": "concat", "inputs": ["sum", "data"]},
    {"name": "output", "kind": "dense", "units": 3, "inputs": ["joined"]},
]


def start(network, random):
    with torch.no_grad():
        for name, p in network.named_parameters():
            if "Norm" in name:
                p.copy_(grid(random, p.shape, 0.2) + (1.0 if name.endswith("weight") else 0.0))
            else:
                p.copy_(grid(random, p.shape, 0.2 if p.dim() == 1 else 1.2 / p[0].numel() ** 0.5))


def train(make, seed, shape, optimize, clip=None):
    """`clip` may add to the gradients, clips them and returns their norm."""
    near.clear()
    random = numpy.random.RandomState(seed)
    x = grid(random, shape, 1.0)
    labels = torch.tensor(random.randint(0, 3, shape[0]))
    network = make().double()
    start(network, random)
    initial = tensors(network.named_parameters())
    optimizer, losses, norms, first = optimize(network), [], [], None
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(x), labels)
        loss.backward()
        first = first or tensors((name, p.grad) for name, p in network.named_parameters())
        if clip is not None:
            norms.append(clip(network))
        losses.append(loss.item())
        optimizer.step()
    network.eval()
    result = {"losses": losses, "norms": norms, "gradients": first, "final": tensors(network.state_dict().items()),
              "logits": tensor(network(x))}
    return min(near), {"input": tensor(x), "labels": labels.tolist(), "initial": initial}, result


def search(attempt):
    """What the first seed gives whose path keeps its distance from kinks and ties."""
    for seed in range(1000):
        margin, found = attempt(seed)
        if margin >= MARGIN:
            return found
    raise AssertionError("no seed keeps the margin")


ADAMW = {"kind": "adamw", "learningRate": 0.02, "epsilon": 0.001, "weightDecay": 0.1}
NESTEROV = {"kind": "nesterov", "learningRate": 0.1, "momentum": 0.9}
L2, CLIP_NORM = 0.02, 0.5


def nesterov(decay):
    def optimize(network):
        groups = [{"params": [p], "weight_decay": decay if p.dim() == 2 else 0.0} for p in network.parameters()]
        return torch.optim.SGD(groups, 0.1, 0.9, nesterov=True)
    return optimize


def clip(network):
    return nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM).item()


def clip_with_penalty(network):
    for p in network.parameters():
        if p.dim() == 2:
            p.grad += 2 * L2 * p.detach()
    return clip(network)


def skip_net(seed):
    margin, given, loss = train(SkipNet, seed, (10, 6), nesterov(2 * L2), clip)
    other, _, both = train(SkipNet, seed, (10, 6), nesterov(0.0), clip_with_penalty)
    some = any(n > CLIP_NORM for n in loss["norms"]) and any(n < CLIP_NORM for n in loss["norms"])
    return min(margin, other) if some else 0, {**given, "clips": {"loss": loss, "lossAndPenalty": both}}


def conv_net(seed):
    margin, given, result = train(ConvNet, seed, (6, 2, 8, 10), lambda network: torch.optim.AdamW(
        network.parameters(), 0.02, eps=0.001, weight_decay=0.1))
    return margin, {**given, **result}


target = pathlib.Path(__file__).with_name("networks.json")
target.write_text(json.dumps({
    "source": f"PyTorch {torch.__version__}",
    "convNet": {"layers": CONV_LAYERS, "optimizer": ADAMW, **search(conv_net)},
    "skipNet": {"layers": SKIP_LAYERS, "optimizer": NESTEROV, "l2": {"weight": L2}, "clipNorm": CLIP_NORM,
                **search(skip_net)},
}) + "\n")
