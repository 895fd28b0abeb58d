"""Writes regularizers.json: paths of two parameters under L2 penalties and clipping by norm, by PyTorch's optimisers.

Usage: python3 make_regularizers.py (torch 1.13). The penalty is l2 * sum(w^2), PyTorch's weight_decay = 2 * l2. Row t of
`gradients` is the gradient of the loss alone at step t. Clipping (clip_grad_norm_) scales all gradients together. A
penalty is added after clipping, as PyTorch's optimisers do, or is part of what is clipped: `clips`. `norms` are those
that clipping saw.
"""
import json
import pathlib

import numpy
import torch

random = numpy.random.RandomState(5)
SHAPES = {"weight": (3, 4), "bias": (3,)}
SIZES = [1.0, 0.01, 5.0, 0.3, 0.0, 20.0]


def exact(values):
    return torch.tensor(numpy.asarray(values, dtype=numpy.float32).astype(numpy.float64))


START = {name: exact(random.standard_normal(shape)) for name, shape in SHAPES.items()}
GRADIENTS = [{name: exact(random.standard_normal(shape) * size) for name, shape in SHAPES.items()} for size in SIZES]


def path(make, l2, clip_norm, clips, dtype):
    parameters = {name: t.to(dtype).clone().requires_grad_() for name, t in START.items()}
    decays = {name: 0.0 if clips == "lossAndPenalty" else 2 * l2.get(name, 0.0) for name in SHAPES}
    optimizer = make([{"params": [p], "weight_decay": decays[name]} for name, p in parameters.items()])
    norms, rows = [], []
    for gradient in GRADIENTS:
        for name, p in parameters.items():
            p.grad = gradient[name].to(dtype).clone()
            if clips == "lossAndPenalty":
                p.grad += 2 * l2.get(name, 0.0) * p.detach()
        if clip_norm is not None:
            norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), clip_norm).item())
        optimizer.step()
        rows.append({name: p.flatten().tolist() for name, p in parameters.items()})
    return norms, rows


def case(optimizer, make, l2, clip_norm=None, clips="loss"):
    norms, f64 = path(make, l2, clip_norm, clips, torch.float64)
    return {"optimizer": optimizer, "l2": l2, "clipNorm": clip_norm, "clips": clips, "norms": norms, "f64": f64,
            "f32": path(make, l2, clip_norm, clips, torch.float32)[1]}


SGD = {"kind": "sgd", "learningRate": 0.1}, lambda p: torch.optim.SGD(p, 0.1)
NESTEROV = ({"kind": "nesterov", "learningRate": 0.1, "momentum": 0.9},
            lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True))
ADAM = ({"kind": "adam", "learningRate": 0.1, "epsilon": 0.001}, lambda p: torch.optim.Adam(p, 0.1, eps=0.001))

cases = [
    case(*SGD, {"weight": 0.05}),
    case(*SGD, {"weight": 0.05, "bias": 0.2}),
    case(*SGD, {}, clip_norm=2.0),
    case(*NESTEROV, {"weight": 0.05}, 1.0),
    case(*NESTEROV, {"weight": 0.05}, 1.0, "lossAndPenalty"),
    case(*ADAM, {"bias": 0.1}, 1.0),
    case(*ADAM, {"bias": 0.1}, 1.0, "lossAndPenalty"),
]
target = pathlib.Path(__file__).with_name("regularizers.json")
target.write_text(json.dumps({
    "source": f"PyTorch {torch.__version__}",
    "shapes": SHAPES,
    "start": {name: t.flatten().tolist() for name, t in START.items()},
    "gradients": [{name: t.flatten().tolist() for name, t in gradient.items()} for gradient in GRADIENTS],
    "cases": cases,
}) + "\n")
