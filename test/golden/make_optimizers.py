"""Writes optimizers.json: a parameter's path over ten steps of PyTorch's optimisers, in float32 and float64.

Usage: python3 make_optimizers.py (torch 1.13). The gradient of step t is row t of `gradients`, whatever the
parameter. `learningRateInside` has no PyTorch counterpart under a changing rate. Its rows are the recurrences in
float64: u <- m*u + lr*g; p <- p - u for momentum; for Nesterov's, whose gradients belong to the point ahead, that point:
p - m*u.
"""
import json
import pathlib

import numpy
import torch

START = [1.0, -0.5, 0.25, 0.0, 100.0]
GRADIENTS = [[round(0.7 * (-1) ** (t * i) / (1 + t) + 0.1 * i - 0.15, 4) * 10.0 ** (i - 2) for i in range(5)]
             for t in range(10)]
GRADIENTS = numpy.array(GRADIENTS, dtype=numpy.float32)
RATES = [0.1 * 0.9 ** t for t in range(10)]


def path(make, rates, dtype):
    p = torch.tensor(numpy.array(START, dtype=numpy.float32)).to(dtype).requires_grad_()
    optimizer = make([p])
    rows = []
    for gradient, rate in zip(GRADIENTS, rates):
        optimizer.param_groups[0]["lr"] = rate
        p.grad = torch.tensor(gradient).to(dtype)
        optimizer.step()
        rows.append(p.tolist())
    return rows


def inside(momentum, rates, ahead):
    p, u, rows = numpy.array(START), numpy.zeros(5), []
    for gradient, rate in zip(GRADIENTS.astype(numpy.float64), rates):
        u = momentum * u + rate * gradient
        p = p - u
        rows.append((p - ahead * u).tolist())
    return rows


def case(spec, make, rates):
    return {"spec": spec, "rates": rates, "f32": path(make, rates, torch.float32),
            "f64": path(make, rates, torch.float64)}


def nesterov(momentum):
    return lambda p: torch.optim.SGD(p, 0.1, momentum, nesterov=True)


sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
steady = [0.1] * 10
cases = [
    case({"kind": "sgd", "learningRate": 0.1}, lambda p: sgd(p, 0.1), steady),
    case({"kind": "sgd", "learningRate": 0.1}, lambda p: sgd(p, 0.1), RATES),
    case({"kind": "momentum", "learningRate": 0.1, "momentum": 0.9}, lambda p: sgd(p, 0.1, 0.9), steady),
    case({"kind": "momentum", "learningRate": 0.1, "momentum": 0.5}, lambda p: sgd(p, 0.1, 0.5), RATES),
    case({"kind": "adam", "learningRate": 0.1}, lambda p: adam(p, 0.1), steady),
    case({"kind": "adam", "learningRate": 0.1}, lambda p: adam(p, 0.1), RATES),
    case({"kind": "adam", "learningRate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01},
         lambda p: adam(p, 0.1, (0.8, 0.95), 0.01), RATES),
    {"spec": {"kind": "momentum", "learningRate": 0.1, "momentum": 0.9, "learningRateInside": True}, "rates": RATES,
     "f64": inside(0.9, RATES, 0)},
    case({"kind": "nesterov", "learningRate": 0.1, "momentum": 0.9}, nesterov(0.9), steady),
    case({"kind": "nesterov", "learningRate": 0.1, "momentum": 0.5}, nesterov(0.5), RATES),
    {"spec": {"kind": "nesterov", "learningRate": 0.1, "momentum": 0.9, "learningRateInside": True}, "rates": RATES,
     "f64": inside(0.9, RATES, 0.9)},
    case({"kind": "adamw", "learningRate": 0.1}, lambda p: adamw(p, 0.1), steady),
    case({"kind": "adamw", "learningRate": 0.1, "weightDecay": 0.3}, lambda p: adamw(p, 0.1, weight_decay=0.3), RATES),
    case({"kind": "adamw", "learningRate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01, "weightDecay": 1e-3},
         lambda p: adamw(p, 0.1, (0.8, 0.95), 0.01, 1e-3), RATES),
    case({"kind": "adamw", "learningRate": 0.1, "weightDecay": 0}, lambda p: adamw(p, 0.1, weight_decay=0), RATES),
]
target = pathlib.Path(__file__).with_name("optimizers.json")
target.write_text(json.dumps({"source": f"PyTorch {torch.__version__}", "start": START,
                              "gradients": GRADIENTS.astype(numpy.float64).tolist(), "cases": cases}, indent=1) + "\n")
