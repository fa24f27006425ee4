"""How a block of T steps is run: a pure function of its shape, its element type and the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["stepwise", "graph", "persistent"]
STRATEGIES: tuple[Strategy, ...] = ("stepwise", "graph", "persistent")
ITEMSIZE = {"float32": 4, "float64": 8}

#: Blocks of a grid along its second axis, at most: CUDA C++ programming guide, technical specifications.
_MOST_ROW_GROUPS = 65_535
# What an H100 was seen to take, in clock cycles: results/gpu has the times. It chooses among ways that are all right.
#: A step whatever it computes, where a block hands the state on to itself, to others through a barrier in global
#: memory, and where one launch ends and two others begin.
_ALONE, _SHARED_OUT, _TWO_LAUNCHES = 400, 3_000, 12_000
#: One round of a block over some rows, whatever it computes, and what it computes against the estimate of it.
_ROUND, _SLOWER = 200, 3
#: Multiply-adds a cycle and multiprocessor in products as thin as one step's. Tensor cores have float64, not float32.
_CUBLAS_RATE = {"float32": 12.8, "float64": 22.0}


@dataclass(frozen=True)
class Device:
    """What a plan depends on, as ``cudaGetDeviceProperties`` and ``cudaDeviceGetAttribute`` tell it.

    Attributes
    ----------
    name : str
        For messages.
    capability : int
        Compute capability, major and minor as one number: 90 for 9.0.
    multiprocessors : int
        How many blocks run at once that fill a multiprocessor each.
    shared_bytes : int
        Shared memory that a block may opt in to.
    cooperative : bool
        Whether a grid can be launched that runs all at once.
    """

    name: str
    capability: int
    multiprocessors: int
    shared_bytes: int
    cooperative: bool = True


@dataclass(frozen=True)
class Variant:
    """One compilation of ``recurrent.cu``; see there.

    Attributes
    ----------
    lanes : int
        Threads that share some columns of the product.
    weights : int
        Weights of each column that a thread holds in registers, so that a state of ``lanes * weights`` units fits.
    columns : int
        Columns that a thread sums at a time.
    rows : int
        Rows of the batch that a thread sums at a time.
    threads : int
        Threads of a block, at most.
    alone : bool
        Whether a block has all columns, and keeps the state to itself.
    """

    lanes: int
    weights: int
    columns: int
    rows: int
    threads: int
    alone: bool

    @property
    def width(self) -> int:
        """Hidden units that fit."""
        return self.lanes * self.weights

    @property
    def columns_of_block(self) -> int:
        """Columns that one block has room for."""
        return self.threads // self.lanes * self.columns

    def options(self) -> tuple[str, ...]:
        """Return what the compiler is told."""
        return (
            f"-DLANES={self.lanes}",
            f"-DWEIGHTS={self.weights}",
            f"-DCOLUMNS={self.columns}",
            f"-DROWS={self.rows}",
            f"-DTHREADS={self.threads}",
            f"-DALONE={int(self.alone)}",
        )


def _with_rows(*rows: int, lanes: int, weights: int, columns: int, threads: int, alone: bool = False) -> list[Variant]:
    return [Variant(lanes, weights, columns, count, threads, alone) for count in rows]


#: Those that are used. How many weights a thread can hold follows from the 65,536 registers of a multiprocessor, as
#: many on every architecture since compute capability 3.5, and its four parts with whole warps each: 128 a thread for
#: 512 threads, 168 for 384. That nothing is spilt is held by ``nox -s cupy-static``.
VARIANTS: dict[str, list[Variant]] = {
    "float32": [
        *_with_rows(1, 2, 4, lanes=16, weights=4, columns=4, threads=256, alone=True),
        *_with_rows(1, 2, 4, lanes=16, weights=8, columns=4, threads=512, alone=True),
        *_with_rows(1, lanes=32, weights=8, columns=8, threads=512),
        *_with_rows(1, 2, 4, lanes=32, weights=8, columns=4, threads=512),
        *_with_rows(1, 2, 4, lanes=32, weights=16, columns=4, threads=512),
        *_with_rows(1, 2, 4, lanes=32, weights=24, columns=4, threads=384),
        *_with_rows(1, lanes=32, weights=48, columns=2, threads=384),
    ],
    "float64": [
        *_with_rows(1, 2, lanes=16, weights=4, columns=4, threads=256, alone=True),
        *_with_rows(1, lanes=16, weights=8, columns=4, threads=512, alone=True),
        *_with_rows(1, 2, lanes=32, weights=8, columns=4, threads=512),
        *_with_rows(1, 2, 4, lanes=32, weights=16, columns=2, threads=512),
        *_with_rows(1, 2, 4, lanes=32, weights=24, columns=2, threads=384),
        *_with_rows(1, 2, 4, lanes=32, weights=48, columns=1, threads=384),
    ],
}


@dataclass(frozen=True)
class Plan:
    """How a block is run.

    Attributes
    ----------
    strategy : str
        ``"stepwise"``: cuBLAS and one kernel a step. ``"graph"``: the same, replayed as one graph. ``"persistent"``:
        one kernel for all steps.
    variant : Variant or None
        The compilation of the persistent kernel.
    columns, rows : int
        What each of its blocks owns.
    column_groups, row_groups : int
        Its grid.
    """

    strategy: Strategy
    variant: Variant | None = None
    columns: int = 0
    rows: int = 0
    column_groups: int = 0
    row_groups: int = 0

    @property
    def threads(self) -> int:
        """Threads of a block: whole warps."""
        assert self.variant is not None
        return -(-self.columns // self.variant.columns * self.variant.lanes // 32) * 32

    def shared_bytes(self, itemsize: int) -> int:
        """Return the shared memory that a block asks for: its rows of the state, twice where they stay there."""
        assert self.variant is not None
        return (2 if self.variant.alone else 1) * self.rows * self.variant.width * itemsize


def plan_block(N: int, T: int, H: int, dtype: str, device: Device, wanted: Strategy | None = None) -> Plan:
    """Choose how a block of ``T`` steps is run.

    Parameters
    ----------
    N, T, H : int
        Batch, time, hidden units. The input's size doesn't matter: its product is hoisted out of the loop.
    dtype : str
        ``"float32"`` or ``"float64"``.
    device : Device
        Where it runs.
    wanted : str, optional
        The strategy to take wherever it is possible; by default what should be fastest.

    Returns
    -------
    Plan
        Where a persistent kernel doesn't fit, cuBLAS and a graph do the same; a single step needs no graph.
    """
    if wanted == "stepwise":
        return Plan("stepwise")
    if wanted != "graph":
        found = [plan for variant in VARIANTS[dtype] if (plan := _fit(variant, N, H, dtype, device)) is not None]
        best = min(found, key=lambda plan: persistent_cycles(plan, dtype), default=None)
        if best is not None and (wanted or persistent_cycles(best, dtype) < graph_cycles(N, H, dtype, device)):
            return best
    return Plan("graph" if T > 1 else "stepwise")


def _fit(variant: Variant, N: int, H: int, dtype: str, device: Device) -> Plan | None:
    """Return how a variant shares out a block; None where it can't."""
    column_groups = -(-H // variant.columns_of_block)
    if variant.width < H or (variant.alone and column_groups > 1):
        return None
    if not variant.alone and (column_groups > device.multiprocessors or not device.cooperative):
        return None
    columns = _up(-(-H // column_groups), variant.columns)  # evenly
    rows = _up(-(-N // (device.multiprocessors // column_groups)), variant.rows)
    plan = Plan("persistent", variant, columns, rows, -(-H // columns), -(-N // rows))
    fits = plan.shared_bytes(ITEMSIZE[dtype]) <= device.shared_bytes and plan.row_groups <= _MOST_ROW_GROUPS
    return plan if fits else None


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def persistent_cycles(plan: Plan, dtype: str) -> float:
    """Estimate the clock cycles that one step of a persistent plan takes.

    What a block's warps read from shared memory and shuffle goes through one unit, 128 bytes a cycle; multiplications
    go on beside it.
    """
    variant = plan.variant
    assert variant is not None
    words = ITEMSIZE[dtype] // 4
    sums = variant.rows * variant.columns
    reads = variant.rows * variant.weights * words
    shuffles = words * (sums - 1 + math.log2(variant.lanes // sums))
    multiplications = words * variant.weights * sums / 4
    warps = plan.threads // 32
    a_round = _ROUND + _SLOWER * warps * max(reads + shuffles, multiplications)
    return (_ALONE if variant.alone else _SHARED_OUT) + plan.rows // variant.rows * a_round


def graph_cycles(N: int, H: int, dtype: str, device: Device) -> float:
    """Estimate the clock cycles that one step of a replayed graph takes: two launches, and cuBLAS."""
    return _TWO_LAUNCHES + N * H * H / (_CUBLAS_RATE[dtype] * device.multiprocessors)
