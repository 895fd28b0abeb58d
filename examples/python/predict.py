"""Open a run's weights with nothing but Python's standard library, and predict with them.

    trainyard weights <run> -o model.safetensors
    python3 examples/python/predict.py model.safetensors examples/data/iris.csv 5

Prints one JSON answer per row, the same as POST /v1/runs/<run>/predictions gives (f64 here, f32 there: to 1e-6).
"""
import csv
import json
import math
import struct
import sys


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, info in header.items():
        start, end = info["data_offsets"]
        values = struct.unpack(f"<{(end - start) // 4}f", raw[8 + length + start : 8 + length + end])
        rows, columns = (info["shape"] + [1])[:2] if len(info["shape"]) == 2 else (1, len(values))
        tensors[name] = [values[r * columns : (r + 1) * columns] for r in range(rows)]
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


def predict(tensors, model, row):
    x = [v for feature in model["preprocessing"]["features"] for v in encode(feature, row[feature["name"]])]
    layers = model["spec"]["model"]["layers"]
    for i, layer in enumerate(layers):
        weight, bias = tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"][0]
        z = [sum(w * v for w, v in zip(unit, x)) + b for unit, b in zip(weight, bias)]
        activation = layer["activation"]["kind"]
        if i == len(layers) - 1:
            activation = LINKS.get(model["spec"]["loss"]["kind"], activation)
        x = ACTIVATIONS[activation](z)
    classes = model["preprocessing"]["target"]["classes"]
    if not classes:
        return {"value": x[0]}
    shares = x if len(x) > 1 else [1 - x[0], x[0]]
    best = max(range(len(classes)), key=lambda c: shares[c])
    return {"value": classes[best], "probabilities": dict(zip(classes, shares))}


if __name__ == "__main__":
    tensors, model = read_safetensors(sys.argv[1])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    with open(sys.argv[2], newline="") as file:
        for row in list(csv.DictReader(file))[:limit]:
            print(json.dumps(predict(tensors, model, row)))
