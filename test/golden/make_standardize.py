"""Writes standardize.json: scikit-learn's StandardScaler on columns of different character.

Usage: python3 make_standardize.py (scikit-learn 1.2)
"""
import json
import pathlib

import numpy
import sklearn
from sklearn.preprocessing import StandardScaler

COLUMNS = {
    "small": [1.0, 2.0, 4.0],
    "negative": [-3.5, 0.25, 7.0, -1.0, 0.0],
    "constant": [0.1] * 7,
    "one row": [42.0],
    "far from zero": [1e9 + i for i in range(10)],
    "skewed": [0.0] * 99 + [1e6],
    "irregular": [((i * 7919) % 1009) / 37 - 11 for i in range(500)],
}

cases = {}
for name, values in COLUMNS.items():
    column = numpy.array(values)[:, None]
    scaler = StandardScaler().fit(column)
    cases[name] = {"values": values, "mean": scaler.mean_[0], "scale": scaler.scale_[0],
                   "transformed": scaler.transform(column)[:, 0].tolist()}
target = pathlib.Path(__file__).with_name("standardize.json")
target.write_text(json.dumps({"source": f"scikit-learn {sklearn.__version__}", "cases": cases}) + "\n")
