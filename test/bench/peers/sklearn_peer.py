"""scikit-learn's multi-layer perceptrons: dense layers only, no batch norm, no dropout."""
import warnings

import numpy as np
import sklearn
from serve import ROWS, serve
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.filterwarnings("ignore")

# A call of fit checks its arguments anew; several epochs a call make that small.
EPOCHS_PER_FIT = 4


def modes(job):
    plain = not job["convolutions"] and not job["batchNorm"] and job["dropout"] == 0
    return ["fit"] if plain else []


def prepare(job, _mode):
    random = np.random.RandomState(0)
    inputs = random.rand(ROWS, job["shape"][0]).astype("float32")
    regression = job["loss"] == "meanSquaredError"
    if regression:
        targets = (random.rand(ROWS) * 2 - 1).astype("float32")
    else:
        targets = random.randint(0, job["outputs"], ROWS)
    net = (MLPRegressor if regression else MLPClassifier)(
        job["dense"],
        activation=job["activation"],
        solver=job["optimizer"],
        batch_size=job["batchSize"],
        learning_rate_init=job["learningRate"],
        momentum=0,
        alpha=0,
        tol=0,
        n_iter_no_change=10**9,
        max_iter=EPOCHS_PER_FIT,
        warm_start=True,
        random_state=0,
    )
    # It keeps a last batch that is not full.
    steps = -(-ROWS // job["batchSize"]) * EPOCHS_PER_FIT

    def epoch(_deadline):
        net.fit(inputs, targets)
        return steps

    return epoch


serve({"version": sklearn.__version__, "notes": []}, modes, prepare)
