"""Backends that run a block in a given way: every variant of the kernel on a grid of several blocks, at small sizes."""

from __future__ import annotations

from timernn.cupy_backend import CupyBackend, CupyGraphBackend, CupyPersistentBackend, CupyStepwiseBackend
from timernn.cupy_kernels.planning import Plan, Variant
from timernn_suite.conformance.support.harness import Subject

KINDS = {
    "stepwise": CupyStepwiseBackend,
    "graph": CupyGraphBackend,
    "persistent": CupyPersistentBackend,
    "by shape": CupyBackend,
}


class Planned(CupyBackend):
    """CuPy with one plan for all blocks."""

    name = "cupy-planned"

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.one_plan = plan

    def _plan(self, N, T, H, dtype):
        return self.one_plan


def spread_out(variant: Variant, N: int, H: int) -> Plan:
    """Return a plan with two groups of rows and as many of columns as its blocks can wait for: three, or one alone.

    The last group of either kind is smaller than the others wherever the sizes allow it.
    """
    column_groups = 1 if variant.alone else 3
    columns = _up(-(-H // column_groups), variant.columns)
    rows = _up(-(-N // 2), variant.rows)
    return Plan("persistent", variant, columns, rows, -(-H // columns), -(-N // rows))


def planned(plan: Plan, dtype: str) -> Subject:
    """Return a backend with that plan, as the conformance suite judges it."""
    return Subject(Planned(plan), dtype, "planned")


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
