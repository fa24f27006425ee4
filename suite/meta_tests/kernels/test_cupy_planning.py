"""How the CuPy backend plans a block, for devices that need not be there: nothing here imports CuPy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timernn.cupy_kernels.planning import ITEMSIZE, STRATEGIES, VARIANTS, Device, plan_block
from timernn_suite.speed.shapes import BLOCKS

#: "CUDA C++ Programming Guide", technical specifications per compute capability; multiprocessors from the data sheets.
DEVICES = {
    device.name: device
    for device in (
        Device("T4", 75, 40, 65_536),
        Device("V100", 70, 80, 98_304),
        Device("A100", 80, 108, 166_912),
        Device("RTX 3090", 86, 82, 101_376),
        Device("RTX 4090", 89, 128, 101_376),
        Device("H100", 90, 132, 232_448),
        Device("B200", 100, 148, 232_448),
        Device("small, not cooperative", 87, 8, 166_912, cooperative=False),
    )
}
#: Of a multiprocessor, on every one of these; and what an instruction can name.
REGISTERS, REGISTERS_OF_A_THREAD = 65_536, 255
#: What a thread needs for addresses, indices and values read ahead besides its weights and sums, at least.
OTHER_REGISTERS = 24
WARP, THREADS_OF_A_BLOCK = 32, 1024

devices = st.sampled_from(list(DEVICES.values()))
sizes = {
    # Often small, where the edges lie, and sometimes as large as anybody runs.
    "N": st.one_of(st.integers(1, 40), st.integers(1, 3000)),
    "T": st.integers(1, 200),
    "H": st.one_of(st.integers(1, 300), st.integers(1, 4200)),
    "dtype": st.sampled_from(list(VARIANTS)),
    "device": devices,
}


def persistent_fits_somewhere(H):
    return max(variant.width for variants in VARIANTS.values() for variant in variants) >= H


@settings(max_examples=1000, deadline=None)
@given(**sizes, wanted=st.sampled_from([None, "persistent"]))
def test_every_persistent_plan_can_be_run_there(N, T, H, dtype, device, wanted):
    plan = plan_block(N, T, H, dtype, device, wanted)
    if plan.strategy != "persistent":
        return
    variant = plan.variant
    assert variant in VARIANTS[dtype]
    # All rows and columns have a block, and no block has none.
    assert plan.columns * (plan.column_groups - 1) < H <= plan.columns * plan.column_groups
    assert plan.rows * (plan.row_groups - 1) < N <= plan.rows * plan.row_groups
    assert plan.columns % variant.columns == plan.rows % variant.rows == 0
    assert variant.width >= H
    # All blocks run at once, one a multiprocessor.
    assert plan.column_groups * plan.row_groups <= device.multiprocessors
    assert plan.threads % WARP == 0
    assert plan.columns // variant.columns * variant.lanes <= plan.threads <= variant.threads <= THREADS_OF_A_BLOCK
    assert plan.shared_bytes(ITEMSIZE[dtype]) <= device.shared_bytes
    if variant.alone:
        assert plan.column_groups == 1
    else:
        assert device.cooperative


@pytest.mark.parametrize(
    ("dtype", "variant"), [pytest.param(d, v, id=f"{d}-{v}") for d in VARIANTS for v in VARIANTS[d]]
)
def test_a_variant_leaves_registers_for_more_than_weights_and_sums(dtype, variant):
    words = ITEMSIZE[dtype] // 4
    held = words * (variant.columns * variant.weights + variant.rows * variant.columns)
    assert held + OTHER_REGISTERS <= min(REGISTERS // variant.threads, REGISTERS_OF_A_THREAD)


@pytest.mark.parametrize(
    ("dtype", "variant"), [pytest.param(d, v, id=f"{d}-{v}") for d in VARIANTS for v in VARIANTS[d]]
)
def test_a_variant_compiles(dtype, variant):
    """Its sizes keep what ``recurrent.cu`` asserts, without a compiler."""
    vector = 16 // ITEMSIZE[dtype]
    assert variant.weights % vector == 0
    assert WARP % variant.lanes == 0
    assert variant.lanes % (variant.rows * variant.columns) == 0
    assert variant.threads % WARP == 0


def test_no_variant_is_listed_twice():
    assert all(len(set(variants)) == len(variants) for variants in VARIANTS.values())


@given(**sizes)
def test_stepwise_is_what_one_gets_who_wants_it(N, T, H, dtype, device):
    assert plan_block(N, T, H, dtype, device, "stepwise").strategy == "stepwise"


@given(**sizes)
def test_a_graph_is_what_one_gets_who_wants_it_for_more_than_one_step(N, T, H, dtype, device):
    assert plan_block(N, T, H, dtype, device, "graph").strategy == ("graph" if T > 1 else "stepwise")


@given(**sizes)
def test_persistent_is_what_one_gets_who_wants_it_unless_it_fits_nowhere(N, T, H, dtype, device):
    plan = plan_block(N, T, H, dtype, device, "persistent")
    if H <= 128 and N <= 100:  # a block alone has room for it on all of them
        assert plan.strategy == "persistent"
    if not persistent_fits_somewhere(H):
        assert plan.strategy != "persistent"


@given(**sizes)
def test_what_is_chosen_freely_is_one_of_the_three_and_one_that_can_be_wanted(N, T, H, dtype, device):
    free = plan_block(N, T, H, dtype, device)
    assert free.strategy in STRATEGIES
    assert plan_block(N, T, H, dtype, device, free.strategy) == free


@given(**{name: drawn for name, drawn in sizes.items() if name != "T"})
def test_a_single_step_is_never_a_graph(N, H, dtype, device):
    assert all(plan_block(N, 1, H, dtype, device, wanted).strategy != "graph" for wanted in (None, *STRATEGIES))


@pytest.mark.parametrize("wanted", [None, "persistent"])
@pytest.mark.parametrize("dtype", VARIANTS)
@pytest.mark.parametrize("device", DEVICES)
def test_4096_units_fit_no_registers_and_are_a_graph(device, dtype, wanted):
    assert plan_block(20, 35, 4096, dtype, DEVICES[device], wanted).strategy == "graph"


@pytest.mark.parametrize("dtype", VARIANTS)
def test_blocks_that_wait_for_each_other_need_a_cooperative_launch(dtype):
    willing, unwilling = (Device("H100", 90, 132, 232_448, cooperative=able) for able in (True, False))
    assert plan_block(20, 35, 300, dtype, willing, "persistent").strategy == "persistent"
    assert plan_block(20, 35, 300, dtype, unwilling, "persistent").strategy == "graph"
    assert plan_block(20, 35, 100, dtype, unwilling, "persistent").strategy == "persistent"  # alone


#: What is chosen for the shapes that speed is measured on: the grid (column groups, row groups), and what a block and a
#: thread have of it (columns, rows), of a persistent plan. What changes the estimate of the time shows here.
CHOSEN = {
    ("H100", "float32"): {
        "toy": ("persistent", (1, 10), (100, 1)),
        "small": ("persistent", (1, 20), (100, 1)),
        "stream": ("persistent", (1, 1), (128, 1)),
        "medium": ("persistent", (2, 64), (128, 1)),
        "wide": ("persistent", (14, 7), (48, 3)),
        "big": ("persistent", (8, 16), (64, 8)),
        "tall": ("persistent", (63, 2), (24, 10)),
    },
    ("H100", "float64"): {
        "toy": ("persistent", (1, 10), (100, 1)),
        "small": ("persistent", (1, 20), (100, 1)),
        "stream": ("persistent", (1, 1), (128, 1)),
        "medium": ("persistent", (4, 32), (64, 2)),
        "wide": ("persistent", (28, 4), (24, 5)),
        "big": ("graph",),
        "tall": ("graph",),
    },
    ("T4", "float32"): {
        "toy": ("persistent", (1, 10), (100, 1)),
        "small": ("persistent", (1, 20), (100, 1)),
        "stream": ("persistent", (1, 1), (128, 1)),
        "medium": ("persistent", (2, 16), (128, 4)),
        "wide": ("persistent", (14, 2), (48, 10)),
        "big": ("persistent", (8, 5), (64, 26)),
        "tall": ("graph",),
    },
    ("T4", "float64"): {
        "toy": ("persistent", (1, 10), (100, 1)),
        "small": ("persistent", (1, 20), (100, 1)),
        "stream": ("persistent", (1, 1), (128, 1)),
        "medium": ("persistent", (4, 8), (64, 8)),
        "wide": ("graph",),
        "big": ("graph",),
        "tall": ("graph",),
    },
}


@pytest.mark.parametrize(("device", "dtype"), CHOSEN)
def test_the_measured_shapes_are_planned_like_this(device, dtype):
    found = {}
    for block in BLOCKS:
        plan = plan_block(block.N, block.T, block.H, dtype, DEVICES[device])
        grid = (plan.column_groups, plan.row_groups)
        found[block.name] = (plan.strategy, grid, (plan.columns, plan.rows)) if plan.variant else (plan.strategy,)
    assert found == CHOSEN[device, dtype]


def test_every_variant_is_taken_for_some_block_on_some_device():
    """A variant that no block is run by is one too many."""
    widths = sorted({variant.width for variants in VARIANTS.values() for variant in variants})
    hidden = sorted({1, 100, 200, 300, 400, 650, 1000, 1500, *widths, *(width + 1 for width in widths)})
    taken = {dtype: set() for dtype in VARIANTS}
    for dtype in VARIANTS:
        for device in DEVICES.values():
            for H in hidden:
                for N in (1, 2, 4, 5, 10, 16, 20, 24, 32, 48, 64, 96, 128, 256):
                    for wanted in (None, "persistent"):
                        taken[dtype].add(plan_block(N, 35, H, dtype, device, wanted).variant)
    idle = {dtype: [variant for variant in VARIANTS[dtype] if variant not in taken[dtype]] for dtype in VARIANTS}
    assert idle == {dtype: [] for dtype in VARIANTS}


def test_planning_needs_no_cupy():
    program = (
        "import sys; sys.modules['cupy'] = None\n"  # any import of it fails
        "import timernn.cupy_kernels.device\n"
        "from timernn.cupy_kernels.planning import Device, plan_block\n"
        "print(plan_block(20, 35, 100, 'float32', Device('H100', 90, 132, 232448)).strategy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "persistent"), done.stderr
