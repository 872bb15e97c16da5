"""The same Iris service from this project and from hand-written FastAPI apps, measured side by side.

    python -m benchmarks.consume [--rounds 5] [--seconds 5] [--connections 32]

A report, not a test: it fails on wrong answers only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import iris, machine
from benchmarks.load import LoadFailed, Measured, fire, wrk
from benchmarks.servers import ServerFailed, nothing_left_behind

_QUANTITIES: dict[str, Callable[[Measured], float]] = {
    "requests/s": lambda measured: measured.throughput,
    "p50 ms": lambda measured: measured.p50,
    "p99 ms": lambda measured: measured.p99,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consume", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one to warm up (default 5)")
    parser.add_argument("--seconds", type=float, default=5, help="length of one side's turn (default 5)")
    parser.add_argument("--connections", type=int, default=32, help="simultaneous connections (default 32)")
    options = parser.parse_args(arguments)
    try:
        wrk()
        with nothing_left_behind():
            compare(options.rounds, options.seconds, options.connections)
    except (LoadFailed, ServerFailed, AssertionError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def compare(rounds: int, seconds: float, connections: int) -> None:
    """Serve, check, measure in turns, check again, print."""
    print(machine.description(["numpy", "scikit-learn", "fastapi", "uvicorn", "uvloop"]))
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as servers:
        directory = Path(scratch)
        model = iris.train(directory)
        ours = servers.enter_context(iris.published(model, directory))
        peers = [
            servers.enter_context(iris.by_hand(model, "fastapi_iris", "FastAPI by hand")),
            servers.enter_context(iris.by_hand(model, "fastapi_tuned", "FastAPI, tuned")),
        ]
        sides = [ours, *peers]
        for side in sides:
            side.check()
        print(f"{connections} connections, {rounds} rounds of {seconds:g} s a side, after one to warm up\n")
        measured: dict[str, list[Measured]] = {side.name: [] for side in sides}
        for number in range(rounds + 1):
            # Each side goes first in every other round.
            for side in sides if number % 2 else reversed(sides):
                result = fire(
                    side.url,
                    body=iris.BODY,
                    authorization=side.authorization,
                    connections=connections,
                    seconds=seconds,
                )
                if number:
                    measured[side.name].append(result)
        for side in sides:
            side.check()
    for peer in peers:
        print(table(measured[ours.name], measured[peer.name], (ours.name, peer.name)), end="\n\n")


def table(ours: Sequence[Measured], peer: Sequence[Measured], names: tuple[str, str]) -> str:
    """Medians side by side, and the ratio of the two in each round: its median and range."""
    lines = [f"{'medians':<12}{names[0]:>18}{names[1]:>18}{'ratio':>9}   in the rounds"]
    for label, quantity in _QUANTITIES.items():
        left, right = [quantity(one) for one in ours], [quantity(one) for one in peer]
        ratios = [one / other for one, other in zip(left, right, strict=True)]
        lines.append(
            f"{label:<12}{statistics.median(left):>18.2f}{statistics.median(right):>18.2f}"
            f"{statistics.median(ratios):>8.2f}x   {min(ratios):.2f} to {max(ratios):.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
