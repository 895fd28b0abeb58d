"""Writes losses.json: each row's loss and its gradient with respect to the network's output, by PyTorch in float64.

Usage: python3 make_losses.py (torch 1.13). Inputs are exact in f32. A row's loss is the mean over its outputs
(meanSquaredError, binaryCrossEntropy) or the negative log-likelihood of its class (crossEntropy).
"""
import json
import pathlib

import numpy
import torch
from torch.nn import functional


def exact(values):
    return torch.tensor(numpy.array(values, dtype=numpy.float32).astype(numpy.float64))


def table(loss, outputs, targets):
    z, t = exact(outputs).requires_grad_(), exact(targets)
    rows = loss(z, t)
    rows.sum().backward()
    return {"z": z.tolist(), "t": t.tolist(), "loss": rows.tolist(), "gradient": z.grad.tolist()}


def one_hot(classes, count):
    return [[1.0 if i == c else 0.0 for i in range(count)] for c in classes]


LOGITS = [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [-1000.0, 0.0, 1000.0], [1000.0, 999.0, -3.0], [0.3, -0.7, 0.2],
          [30.0, -30.0, 0.0]]
SINGLE = [[-200.0], [-30.0], [-5.0], [-1.0], [-1e-4], [0.0], [1e-4], [1.0], [5.0], [30.0], [200.0]]

tables = {
    "meanSquaredError": [
        table(lambda z, t: ((z - t) ** 2).mean(1), [[0.5], [-2.0], [1e3], [0.1]], [[0.5], [1.0], [-1e3], [0.3]]),
        table(lambda z, t: functional.mse_loss(z, t, reduction="none").mean(1),
              [[0.5, 0.1, -3.0], [1.0, 2.0, 3.0]], [[0.0, 1.0, -1.5], [3.0, 2.0, 1.0]]),
    ],
    "crossEntropy": [
        table(lambda z, t: functional.cross_entropy(z, t, reduction="none"), LOGITS, one_hot(classes, 3))
        for classes in ([0] * 6, [1] * 6, [2] * 6)
    ],
    "binaryCrossEntropy": [
        table(lambda z, t: functional.binary_cross_entropy_with_logits(z, t, reduction="none").mean(1),
              logits, targets)
        for logits, targets in (
            (SINGLE, [[0.0]] * len(SINGLE)),
            (SINGLE, [[1.0]] * len(SINGLE)),
            (LOGITS, one_hot([0, 1, 2, 0, 1, 2], 3)),
        )
    ],
}
target = pathlib.Path(__file__).with_name("losses.json")
target.write_text(json.dumps({"source": f"PyTorch {torch.__version__}", "tables": tables}, indent=1) + "\n")
