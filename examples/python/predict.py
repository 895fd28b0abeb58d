"""Open a run's weights with nothing but Python's standard library, and predict with them.

    trainyard weights <run> -o model.safetensors
    python3 examples/python/predict.py model.safetensors examples/data/iris.csv 5

Prints one JSON answer per row, the same as POST /v1/runs/<run>/predictions gives (f64 here, f32 there: to 1e-6).
What flows between layers is a grid and its rows: one row of features, or of channels for each position of an image.
"""
import csv
import json
import math
import struct
import sys


def read_safetensors(path):
    """Tensors as flat row-major lists by name, and the model's spec and preprocessing."""
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, info in header.items():
        start, end = info["data_offsets"]
        tensors[name] = struct.unpack(f"<{(end - start) // 4}f", raw[8 + length + start : 8 + length + end])
    return tensors, json.loads(metadata["trainyard"])


def encode(feature, text):
    if feature["type"] == "categorical":
        return [1.0 if category == text else 0.0 for category in feature["categories"]]
    if feature["kind"] == "none":
        return [float(text)]
    return [(float(text) - feature["fitted"]["mean"]) / feature["fitted"]["scale"]]


def softmax(z):
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: [max(v, 0.0) for v in z],
    "tanh": lambda z: [math.tanh(v) for v in z],
    "sigmoid": lambda z: [1 / (1 + math.exp(-v)) for v in z],
    "softmax": softmax,
}
LINKS = {"crossEntropy": "softmax", "binaryCrossEntropy": "sigmoid"}


def product(columns, weight, bias):
    """One row of inputs times a weight of [outputs, inputs], and a bias."""
    n = len(columns)
    return [sum(w * v for w, v in zip(weight[u * n : (u + 1) * n], columns)) + b for u, b in enumerate(bias)]


def windows(layer, grid, rows, border):
    """The grid of windows over an image, and the rows in each; `border` stands for what lies outside."""
    pair = lambda size: (size, size) if isinstance(size, int) else size
    kernel, padding, dilation = pair(layer["kernel"]), pair(layer["padding"]), pair(layer.get("dilation", 1))
    stride = pair(layer.get("stride", layer["kernel"]))
    inside = lambda at: 0 <= at[0] < grid[0] and 0 <= at[1] < grid[1]
    sides = [(grid[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    places = lambda extent: [(y, x) for y in range(extent[0]) for x in range(extent[1])]
    found = []
    for place in places(sides):
        taps = [[place[i] * stride[i] - padding[i] + tap[i] * dilation[i] for i in (0, 1)] for tap in places(kernel)]
        found.append([rows[at[0] * grid[1] + at[1]] if inside(at) else border for at in taps])
    return sides, found


def convolve(layer, own, grid, rows):
    channels = len(rows[0])
    sides, found = windows(layer, grid, rows, [0.0] * channels)
    columns = [[tap[c] for c in range(channels) for tap in taps] for taps in found]
    return sides, [product(c, own["weight"], own["bias"]) for c in columns]


def pool(layer, grid, rows, border, join):
    sides, found = windows(layer, grid, rows, [border] * len(rows[0]))
    return sides, [[join(values) for values in zip(*taps)] for taps in found]


def scale(row, own, mean, variance, epsilon):
    terms = zip(row, mean, variance, own["weight"], own["bias"])
    return [(v - m) / math.sqrt(s + epsilon) * gamma + beta for v, m, s, gamma, beta in terms]


def normalise(row, own, epsilon):
    n = len(row)
    mean = sum(row) / n
    return scale(row, own, [mean] * n, [sum((v - mean) ** 2 for v in row) / n] * n, epsilon)


def compute(layer, own, inputs):
    """A layer's grid and rows from those of its inputs, and from its tensors by their short names."""
    kind, (grid, rows) = layer["kind"], inputs[0]
    if kind == "dense":
        return grid, [product(row, own["weight"], own["bias"]) for row in rows]
    if kind == "conv2d":
        return convolve(layer, own, grid, rows)
    if kind == "maxPool2d":
        return pool(layer, grid, rows, -math.inf, max)
    if kind == "avgPool2d":
        return pool(layer, grid, rows, 0.0, lambda values: sum(values) / len(values))
    if kind == "batchNorm":
        return grid, [scale(r, own, own["runningMean"], own["runningVariance"], layer["epsilon"]) for r in rows]
    if kind == "layerNorm":
        return grid, [normalise(row, own, layer["epsilon"]) for row in rows]
    if kind == "dropout":
        kept = 1 - layer["probability"] if layer["scaling"] == "inference" else 1
        return grid, [[v * kept for v in row] for row in rows]
    if kind == "reshape":
        size = layer["height"] * layer["width"]
        return (layer["height"], layer["width"]), [list(rows[0][p::size]) for p in range(size)]
    if kind == "flatten":
        return None, [[row[c] for c in range(len(rows[0])) for row in rows]]
    if kind == "add":
        return grid, [[sum(values) for values in zip(*same)] for same in zip(*(r for _, r in inputs))]
    if kind == "concat":
        return grid, [[v for row in same for v in row] for same in zip(*(r for _, r in inputs))]
    if kind == "activation":
        return grid, rows
    sys.exit(f"This script does not know the layer {kind}.")


def predict(tensors, model, row):
    data = [v for feature in model["preprocessing"]["features"] for v in encode(feature, row[feature["name"]])]
    values = [(None, [data])]
    named = {"data": values[0]}
    layers = model["spec"]["model"]["layers"]
    for i, layer in enumerate(layers):
        taken = layer.get("inputs", [layer["input"]] if "input" in layer else None)
        inputs = values[-1:] if taken is None else [named[name] for name in taken]
        prefix = f"layers.{i}."
        own = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
        grid, rows = compute(layer, own, inputs)
        activation = layer.get("activation", {"kind": "linear"})["kind"]
        if i == len(layers) - 1:
            activation = LINKS.get(model["spec"]["loss"]["kind"], activation)
        if activation not in ACTIVATIONS:
            sys.exit(f"This script does not know the activation {activation}.")
        values.append((grid, [ACTIVATIONS[activation](z) for z in rows]))
        named[layer.get("name")] = values[-1]
    outputs = values[-1][1][0]
    classes = model["preprocessing"]["target"]["classes"]
    if not classes:
        return {"value": outputs[0]}
    shares = outputs if len(outputs) > 1 else [1 - outputs[0], outputs[0]]
    best = max(range(len(classes)), key=lambda c: shares[c])
    return {"value": classes[best], "probabilities": dict(zip(classes, shares))}


if __name__ == "__main__":
    tensors, model = read_safetensors(sys.argv[1])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with open(sys.argv[2], newline="") as file:
        for row in list(csv.DictReader(file))[:limit]:
            print(json.dumps(predict(tensors, model, row)))
