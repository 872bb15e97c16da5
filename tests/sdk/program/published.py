"""The functions that the SDK publishes. It sends their source; `factor` and `weights` are in the workspace there."""

# ruff: noqa: F821


def prepare():
    import math

    assert math.pi > 3


def scaled(x, shift):
    print("scaling", x)
    return factor * x + shift * float(weights.sum())
