"""Every kernel, in both element types, compiles for every architecture and keeps to its registers."""

import json
from pathlib import Path

import pytest
from resources import ARCHITECTURES, as_budget, compilations, of_all

BUDGET = Path(__file__).with_name("budget.json")
#: On every architecture: CUDA C++ programming guide, technical specifications.
REGISTERS = 65_536
#: Registers are handed out to a warp in blocks of so many; the same table.
ALLOCATED_AT_ONCE = 256
#: Static shared memory of a block.
SHARED_BYTES = 48 * 1024


@pytest.fixture(scope="session")
def found():
    return of_all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_is_compiled(found, architecture):
    for title, source, *_ in compilations():
        assert len(found[architecture][title]) == source.count('extern "C" __global__') > 0, title


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_is_spilt(found, architecture):
    spilt = {
        (title, kernel): numbers
        for title, kernels in found[architecture].items()
        for kernel, numbers in kernels.items()
        if numbers["stack"] or numbers["spill_stores"] or numbers["spill_loads"]
    }
    assert not spilt


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_block_of_the_most_threads_has_its_registers(found, architecture):
    for title, _, _, threads in compilations():
        # The four parts of a multiprocessor have a quarter of the registers each, and whole warps.
        warps = -(-threads // 32 // 4) * 4
        for kernel, numbers in found[architecture][title].items():
            a_warp = -(-numbers["registers"] * 32 // ALLOCATED_AT_ONCE) * ALLOCATED_AT_ONCE
            assert warps * a_warp <= REGISTERS, (title, kernel, numbers)
            assert numbers["shared"] <= SHARED_BYTES, (title, kernel, numbers)


def test_no_kernel_takes_more_than_its_budget(found):
    """A kernel that grows is looked at before its new size is taken: ``nox -s cupy-static -- --write``."""
    budget, now = json.loads(BUDGET.read_text(encoding="utf-8")), as_budget(found)
    assert set(now) == set(budget)
    for title, by_architecture in now.items():
        for architecture, (registers, shared) in by_architecture.items():
            allowed = budget[title][architecture]
            assert registers <= allowed[0], f"{title}, sm_{architecture}: {registers} registers, of {allowed[0]}"
            assert shared <= allowed[1], f"{title}, sm_{architecture}: {shared} bytes, of {allowed[1]}"
