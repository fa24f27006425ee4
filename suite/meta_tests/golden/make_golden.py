"""Makes the golden vectors that the oracle is held to: every layer element by element, in 60 digits, with mpmath.

Run by ``nox -s golden``. It shares no code with the oracle: scalars and loops, straight from the equations. Each
result is stored as two float64 in hex, the value rounded and what the rounding left, which is over 100 bits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mpmath
import numpy as np

mpmath.mp.dps = 60
#: Batch, time, input, hidden: one in every place, D < H and D > H, and a long block.
BLOCKS = ((1, 1, 1, 1), (2, 3, 2, 4), (3, 2, 5, 2), (1, 40, 2, 3))
LABELS = ((0, 4, -1), (2, -1, 3))
GAP = 1000.0


def exact(values):
    """Return float64 values as mpmath numbers, without loss."""
    return np.vectorize(mpmath.mpf, otypes=[object])(values)


def two_floats(value):
    """Return a number as the hex of the nearest float64 and of the nearest to the rest."""
    high = float(value)
    return [high.hex(), float(value - mpmath.mpf(high)).hex()]


def stored(array):
    """Return an array of mpmath numbers as nested lists of pairs."""
    return [stored(part) for part in array] if np.ndim(array) else two_floats(array)


def block(N, T, D, H):
    """Return inputs and results of one TimeRNN block, forward and backward."""
    random = np.random.RandomState([N, T, D, H])  # a frozen generator: the same draws in every version of NumPy
    shapes = {"xs": (N, T, D), "h0": (N, H), "Wx": (D, H), "Wh": (H, H), "b": (H,), "dhs": (N, T, H)}
    inputs = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    inputs["Wh"] *= 0.9 * H**-0.5
    xs, h0, Wx, Wh, b, dhs = (exact(value) for value in inputs.values())
    hs = np.empty((N, T + 1, H), dtype=object)
    hs[:, 0] = h0
    for n, t, j in np.ndindex(N, T, H):
        z = b[j] + sum(hs[n, t, i] * Wh[i, j] for i in range(H)) + sum(xs[n, t, d] * Wx[d, j] for d in range(D))
        hs[n, t + 1, j] = mpmath.tanh(z)
    results = {name: exact(np.zeros(shapes[name])) for name in ("xs", "h0", "Wx", "Wh", "b")}
    for n in range(N):
        dh = [mpmath.mpf(0)] * H
        for t in reversed(range(T)):
            dz = [(dhs[n, t, j] + dh[j]) * (1 - hs[n, t + 1, j] ** 2) for j in range(H)]
            dh = [sum(dz[j] * Wh[i, j] for j in range(H)) for i in range(H)]
            for d in range(D):
                results["xs"][n, t, d] = sum(dz[j] * Wx[d, j] for j in range(H))
            for j in range(H):
                results["b"][j] += dz[j]
                for d in range(D):
                    results["Wx"][d, j] += xs[n, t, d] * dz[j]
                for i in range(H):
                    results["Wh"][i, j] += hs[n, t, i] * dz[j]
        results["h0"][n] = dh
    names = {"xs": "dxs", "h0": "dh", "Wx": "dWx", "Wh": "dWh", "b": "db"}
    return inputs, {"hs": hs[:, 1:]} | {names[name]: value for name, value in results.items()}


def softmax(gap):
    """Return inputs and results of softmax with loss, with ignored labels and one score far above the others."""
    zs = 3 * np.random.RandomState(7).standard_normal((2, 3, 5))
    zs[0, 1, 0] += gap
    counted = [(n, t, LABELS[n][t]) for n, t in np.ndindex(2, 3) if LABELS[n][t] != -1]
    scores, loss, dzs = exact(zs), mpmath.mpf(0), exact(np.zeros(zs.shape))
    for n, t, label in counted:
        total = sum(mpmath.exp(score) for score in scores[n, t])
        loss += (mpmath.log(total) - scores[n, t, label]) / len(counted)
        for v in range(5):
            dzs[n, t, v] = (mpmath.exp(scores[n, t, v]) / total - (v == label)) / len(counted)
    return {"zs": zs}, {"loss": loss, "dzs": dzs}


def affine():
    """Return inputs and results of the affine layer."""
    random = np.random.RandomState(8)
    shapes = {"xs": (2, 3, 4), "W": (4, 5), "b": (5,), "dzs": (2, 3, 5)}
    inputs = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    xs, W, b, dzs = (exact(value) for value in inputs.values())
    rows, drows = xs.reshape(6, 4), dzs.reshape(6, 5)
    return inputs, {
        "zs": (rows @ W + b).reshape(2, 3, 5),
        "dxs": (drows @ W.T).reshape(2, 3, 4),
        "dW": rows.T @ drows,
        "db": drows.sum(axis=0),
    }


def main():
    """Write the file that is named, or ``golden.json`` beside this one."""
    cases = {f"block {N}x{T}x{D}x{H}": block(N, T, D, H) for N, T, D, H in BLOCKS}
    cases |= {"softmax": softmax(0.0), "softmax with a gap": softmax(GAP), "affine": affine()}
    record = {
        "made_by": f"suite/meta_tests/golden/make_golden.py, mpmath {mpmath.__version__}, {mpmath.mp.dps} digits",
        "labels": LABELS,
        "cases": {
            name: {
                "inputs": {key: [x.hex() for x in value.ravel().tolist()] for key, value in inputs.items()},
                "shapes": {key: value.shape for key, value in inputs.items()},
                "results": {key: stored(value) for key, value in results.items()},
            }
            for name, (inputs, results) in cases.items()
        },
    }
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
