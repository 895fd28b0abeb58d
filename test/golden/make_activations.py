"""Writes activations.json: values and gradients of PyTorch's activations, in float64 on inputs that are exact in f32.

Usage: python3 make_activations.py (torch 1.13). The softmax table has rows; its gradient is that of sum(w * y).
"""
import json
import pathlib

import numpy
import torch

POINTS = [-100.0, -88.5, -20.0, -9.5, -4.0, -1.5, -1.0, -0.625, -0.1, -1e-3, -1e-8, 0.0,
          1e-8, 1e-3, 0.1, 0.625, 1.0, 1.5, 4.0, 9.5, 20.0, 88.5, 100.0]
ROWS = [[0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0, 5.0], [-1000.0, 0.0, 1000.0, 999.0, 998.5],
        [0.1, -0.2, 0.3, -0.4, 0.5], [-80.0, -81.0, -79.5, -80.25, -100.0]]
WEIGHTS = [[1.0, -2.0, 0.5, 0.25, 3.0]] * len(ROWS)


def exact(values):
    return torch.tensor(numpy.array(values, dtype=numpy.float32).astype(numpy.float64), requires_grad=True)


def table(function, values, weights=None):
    x = exact(values)
    y = function(x)
    (y if weights is None else y * torch.tensor(weights, dtype=torch.float64)).sum().backward()
    entry = {"x": x.tolist(), "y": y.tolist(), "gradient": x.grad.tolist()}
    return entry if weights is None else {**entry, "weights": weights}


tables = {
    "linear": table(lambda x: x * 1, POINTS),
    "sigmoid": table(torch.sigmoid, POINTS),
    "tanh": table(torch.tanh, POINTS),
    "relu": table(torch.relu, POINTS),
    "softmax": table(lambda x: torch.softmax(x, 1), ROWS, WEIGHTS),
}
target = pathlib.Path(__file__).with_name("activations.json")
target.write_text(json.dumps({"source": f"PyTorch {torch.__version__}", "tables": tables}, indent=1) + "\n")
