"""Writes layers.json: outputs, gradients and statistics of PyTorch's layers, in float64 on inputs exact in f32.

Usage: python3 make_layers.py (torch 1.13). A tensor is {shape, values}, row-major; images are [N, C, H, W] and pairs
[height, width]. `gradient` belongs to the output, `gradients` to what the layer reads. Weights of a convolution are
[filters, channels, height, width]. Of dropout, PyTorch has only the inverted form; the other is written out here.
"""
import json
import pathlib

import numpy
import torch
from torch.nn import functional

random = numpy.random.RandomState(3)


def exact(values):
    return torch.tensor(numpy.asarray(values, dtype=numpy.float32).astype(numpy.float64))


def normal(*shape, scale=1.0, shift=0.0):
    """Multiples of 2^-12: short in JSON, and their products still do not fit f32."""
    return exact((random.standard_normal(shape) * scale + shift) * 4096 // 1 / 4096)


def whole(low, high, *shape):
    """Small whole numbers: windows are full of ties."""
    return exact(random.randint(low, high + 1, shape))


def tensor(t):
    """What is not exact in f32, and so a result, is written with 12 digits."""
    values = [v if numpy.float32(v) == v else float(f"{v:.12g}") for v in t.detach().flatten().tolist()]
    return {"shape": list(t.shape), "values": values}


def differentiated(function, reads, gradient=None):
    """Output and gradients of `function` over named tensors, for a random gradient of the output."""
    leaves = {name: t.clone().requires_grad_() for name, t in reads.items()}
    output = function(*leaves.values())
    gradient = normal(*output.shape) if gradient is None else gradient
    output.backward(gradient)
    return {**{name: tensor(t) for name, t in reads.items()}, "output": tensor(output), "gradient": tensor(gradient),
            "gradients": {name: tensor(t.grad) for name, t in leaves.items()}}


def convolution(name, image, filters, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    reads = {"input": normal(*image), "weight": normal(filters, image[1], *kernel, scale=0.5), "bias": normal(filters)}
    spec = {"filters": filters, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return {"name": name, **spec,
            **differentiated(lambda x, w, b: functional.conv2d(x, w, b, stride, padding, dilation), reads)}


def maximum(name, image, kernel, stride, padding=(0, 0)):
    return {"name": name, "kernel": kernel, "stride": stride, "padding": padding,
            **differentiated(lambda x: functional.max_pool2d(x, kernel, stride, padding), {"input": image})}


def mean(name, image, kernel, stride, padding=(0, 0)):
    return {"name": name, "kernel": kernel, "stride": stride, "padding": padding,
            **differentiated(lambda x: functional.avg_pool2d(x, kernel, stride, padding), {"input": image})}


def batch_norm(name, batches, inference, momentum=0.1, epsilon=1e-5):
    """Two training steps with the same gamma and beta, the statistics after each, then inference."""
    features = inference.shape[1]
    gamma, beta = normal(features, scale=0.3, shift=1.0), normal(features)
    mean, variance, steps = torch.zeros(features).double(), torch.ones(features).double(), []
    for batch in batches:
        step = differentiated(
            lambda x, g, b: functional.batch_norm(x, mean, variance, g, b, True, momentum, epsilon),
            {"input": batch, "gamma": gamma, "beta": beta})
        del step["gamma"], step["beta"]
        steps.append({**step, "runningMean": tensor(mean), "runningVariance": tensor(variance)})
    output = functional.batch_norm(inference, mean, variance, gamma, beta, False, momentum, epsilon)
    return {"name": name, "momentum": momentum, "epsilon": epsilon, "gamma": tensor(gamma), "beta": tensor(beta),
            "steps": steps, "inference": {"input": tensor(inference), "output": tensor(output)}}


def layer_norm(name, x, epsilon=1e-5):
    """Over the features of a row, or over the channels of each position of an image."""
    features = x.shape[1]

    def normalised(x, gamma, beta):
        y = functional.layer_norm(x.movedim(1, -1), (features,), gamma, beta, epsilon)
        return y.movedim(-1, 1)

    reads = {"input": x, "gamma": normal(features, scale=0.3, shift=1.0), "beta": normal(features)}
    return {"name": name, "epsilon": epsilon, **differentiated(normalised, reads)}


def dropout(rate, scaling):
    """`mask` is 1 where an activation is kept."""
    x, mask = normal(3, 7), exact(random.uniform(size=(3, 7)) >= rate)
    training_scale, inference_scale = (1 / (1 - rate), 1) if scaling == "training" else (1, 1 - rate)
    if scaling == "training":
        assert torch.equal(functional.dropout(x, rate, training=False), x * inference_scale)
        sample = functional.dropout(x, rate, training=True)
        assert torch.allclose(sample, torch.where(sample == 0, sample, x * training_scale), rtol=1e-15)
    return {"rate": rate, "scaling": scaling, "mask": tensor(mask),
            **differentiated(lambda x: x * mask * training_scale, {"input": x}),
            "inference": tensor(x * inference_scale)}


def flatten(*shape):
    x = exact(numpy.arange(numpy.prod(shape)).reshape(shape))
    return {"input": tensor(x), "output": tensor(torch.flatten(x, 1))}


tables = {
    "conv2d": [
        convolution("one channel", (1, 1, 4, 4), 1, (3, 3)),
        convolution("several channels, padded", (2, 3, 4, 3), 3, (3, 3), padding=(1, 1)),
        convolution("stride that leaves a rest", (2, 2, 6, 5), 3, (3, 2), stride=(2, 2)),
        convolution("all asymmetric", (1, 2, 7, 6), 3, (3, 2), (2, 1), (1, 2), (1, 2)),
        convolution("dilated and padded", (1, 2, 5, 6), 2, (3, 3), padding=(2, 2), dilation=(2, 2)),
        convolution("dilated, strided and padded", (1, 2, 8, 7), 2, (2, 3), (3, 2), (2, 1), (3, 2)),
        convolution("1 × 1", (2, 5, 2, 3), 3, (1, 1)),
        convolution("1 × 1 with a stride", (1, 2, 5, 4), 2, (1, 1), stride=(2, 3)),
        convolution("kernel larger than the image", (2, 1, 3, 2), 2, (5, 4), padding=(2, 1)),
        convolution("windows wholly in the padding", (1, 1, 2, 2), 1, (1, 2), padding=(2, 3)),
        convolution("one output position", (3, 2, 3, 3), 3, (3, 3)),
        convolution("more channels than lanes", (1, 18, 2, 3), 2, (1, 2)),
        convolution("more filters than lanes", (2, 2, 3, 2), 17, (2, 1)),
    ],
    "maxPool2d": [
        maximum("2 × 2", normal(1, 3, 4, 6), (2, 2), (2, 2)),
        maximum("overlapping, asymmetric, with a rest", normal(2, 2, 6, 5), (3, 2), (2, 1)),
        maximum("padded: all inputs negative", -normal(1, 2, 4, 5).abs() - 0.5, (3, 3), (2, 2), (1, 1)),
        maximum("ties", whole(-1, 1, 2, 2, 4, 4), (2, 2), (2, 2)),
        maximum("ties, overlapping and padded", whole(-1, 1, 1, 2, 5, 6), (3, 2), (1, 2), (1, 1)),
        maximum("all equal", exact(numpy.zeros((1, 1, 4, 4))), (3, 3), (1, 1), (1, 1)),
        maximum("gaps between windows", normal(1, 2, 5, 6), (1, 2), (2, 3)),
    ],
    "avgPool2d": [
        mean("2 × 2", normal(1, 3, 4, 6), (2, 2), (2, 2)),
        mean("overlapping, asymmetric, with a rest", normal(2, 2, 6, 5), (3, 2), (2, 1)),
        mean("padded: the padding counts", normal(1, 2, 4, 5), (3, 3), (2, 2), (1, 1)),
        mean("padded, asymmetric", normal(1, 2, 5, 4), (2, 4), (1, 3), (0, 2)),
        mean("gaps between windows", normal(1, 2, 5, 6), (1, 2), (2, 3)),
    ],
    "flatten": [flatten(2, 3, 2, 4), flatten(1, 17, 1, 2)],
    "batchNorm": [
        batch_norm("rows", [normal(5, 3), normal(4, 3, shift=2.0)], normal(3, 3)),
        batch_norm("rows: momentum and epsilon", [normal(2, 2), normal(6, 2, scale=3.0)], normal(2, 2), 0.4, 0.01),
        batch_norm("rows far from zero", [normal(9, 2, shift=500.0), normal(9, 2, shift=501.0)],
                   normal(2, 2, shift=500.0)),
        batch_norm("rows with a constant column", [torch.cat((normal(4, 1), exact([[0.25]] * 4)), 1)] * 2,
                   normal(2, 2)),
        batch_norm("images", [normal(3, 2, 3, 2), normal(2, 2, 3, 2, shift=1.0)], normal(1, 2, 3, 2)),
        batch_norm("one image", [normal(1, 3, 2, 3), normal(1, 3, 2, 3)], normal(2, 3, 2, 3), 0.25, 0.001),
    ],
    "layerNorm": [
        layer_norm("rows", normal(4, 7)),
        layer_norm("rows: epsilon", normal(3, 5, scale=0.1), 0.01),
        layer_norm("rows far from zero", normal(3, 20, shift=500.0)),
        layer_norm("rows with equal features", exact([[0.5] * 6, [0.0] * 6, [1, -1, 1, -1, 1, -1]])),
        layer_norm("channels of each position", normal(2, 5, 2, 3)),
        layer_norm("more channels than lanes", normal(1, 19, 2, 2)),
    ],
    "dropout": [dropout(rate, scaling) for scaling in ("training", "inference") for rate in (0.5, 0.2, 0.0)],
}
target = pathlib.Path(__file__).with_name("layers.json")
target.write_text(json.dumps({"source": f"PyTorch {torch.__version__}", "tables": tables}, ensure_ascii=False) + "\n")
