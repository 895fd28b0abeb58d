"""PyTorch on the benchmark's jobs. Argument: the number of threads."""
import re
import sys
import time

import torch
from serve import ROWS, serve
from torch import nn

THREADS = int(sys.argv[1])
torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def network(job):
    activation = ACTIVATIONS[job["activation"]]
    layers = []
    if job["convolutions"]:
        height, width, channels = job["shape"]
        for filters in job["convolutions"]:
            layers += [nn.Conv2d(channels, filters, 3), activation(), nn.MaxPool2d(2)]
            height, width, channels = (height - 2) // 2, (width - 2) // 2, filters
        layers.append(nn.Flatten())
        features = height * width * channels
    else:
        features = job["shape"][0]
    for units in job["dense"]:
        layers.append(nn.Linear(features, units))
        if job["batchNorm"]:
            layers.append(nn.BatchNorm1d(units))
        layers.append(activation())
        if job["dropout"]:
            layers.append(nn.Dropout(job["dropout"]))
        features = units
    layers.append(nn.Linear(features, job["outputs"]))
    if job["outputActivation"] != "linear":
        layers.append(ACTIVATIONS[job["outputActivation"]]())
    return nn.Sequential(*layers)


def table(job):
    shape = job["shape"]
    if len(shape) == 3:
        shape = [shape[2], shape[0], shape[1]]
    inputs = torch.rand(ROWS, *shape)
    if job["loss"] == "meanSquaredError":
        return inputs, torch.rand(ROWS, job["outputs"]) * 2 - 1
    return inputs, torch.randint(0, job["outputs"], (ROWS,))


def modes(job):
    common = ["eager", "foreach", "jit"]
    return common + ["channels last"] if job["convolutions"] else common


def prepare(job, mode):
    torch.manual_seed(0)
    net = network(job)
    inputs, targets = table(job)
    if mode == "channels last":
        net = net.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[job["optimizer"]](
        net.parameters(), lr=job["learningRate"], **({} if mode == "eager" else {"foreach": True})
    )
    loss = nn.MSELoss() if job["loss"] == "meanSquaredError" else nn.CrossEntropyLoss()
    net.train()
    batch = job["batchSize"]
    forward = net
    if mode == "jit":
        # A trace would fix dropout's and batch norm's mode.
        forward = torch.jit.script(net) if job["batchNorm"] else torch.jit.trace(net, inputs[:batch])
    steps = ROWS // batch

    def epoch(deadline):
        order = torch.randperm(ROWS)
        for step in range(steps):
            index = order[step * batch : (step + 1) * batch]
            optimizer.zero_grad(set_to_none=True)
            value = loss(forward(inputs[index]), targets[index])
            value.backward()
            optimizer.step()
            if time.perf_counter() > deadline:
                break
        value.item()
        return step + 1

    return epoch


def blas_libraries():
    with open("/proc/self/maps") as maps:
        return sorted(set(re.findall(r"/\S*/lib(?:blas|openblas|mkl|blis)[^\s/]*\.so\S*", maps.read())))


serve(
    {"version": torch.__version__, "notes": ["BLAS: " + ", ".join(blas_libraries())]}, modes, prepare
)
