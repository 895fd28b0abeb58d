"""Writes schedules.json: the rates of PyTorch's ExponentialLR with gamma = exp(-1/T). Usage: python3 make_schedules.py"""
import json
import math
import pathlib

import torch


def rates(initial, constant, count):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], initial)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, math.exp(-1 / constant))
    values = []
    for _ in range(count):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


cases = [{"initial": i, "timeConstant": c, "rates": rates(i, c, 30)} for i, c in ((0.1, 10), (0.5, 2.5), (1e-3, 1000))]
target = pathlib.Path(__file__).with_name("schedules.json")
target.write_text(json.dumps({"source": f"PyTorch {torch.__version__}", "cases": cases}, indent=1) + "\n")
