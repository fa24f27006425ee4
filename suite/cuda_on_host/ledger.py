"""What a program asked of the device: launches, memory, copies, waits, graphs and matrix products, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields


@dataclass
class Record:
    """Counts of what happened; a difference of two records is one too.

    Attributes
    ----------
    launches
        Launches by kernel, those inside of graphs apart.
    graph_kernels
        Kernels that ran inside of replayed graphs, by name.
    allocations, frees
        By kind of memory, "device" or "pinned", as the driver sees them: CuPy's pool asks rarely.
    allocated_bytes
        Bytes of those allocations.
    copies, copied_bytes
        By direction and way, such as "H2D sync" or "D2D async".
    memsets
        By way.
    synchronisations
        By kind: "device", "stream", "event", and "implicit" for copies and frees that wait.
    graphs
        "capture", "instantiate", "upload" and "launch".
    blas
        Calls of cuBLAS by name, those inside of graphs apart.
    graph_blas
        Calls of cuBLAS inside of replayed graphs, by name.
    compilations
        "host" for sources that were compiled (not found in the cache), and one for each architecture of NVRTC.
    """

    launches: Counter[str] = field(default_factory=Counter)
    graph_kernels: Counter[str] = field(default_factory=Counter)
    allocations: Counter[str] = field(default_factory=Counter)
    frees: Counter[str] = field(default_factory=Counter)
    allocated_bytes: Counter[str] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    copied_bytes: Counter[str] = field(default_factory=Counter)
    memsets: Counter[str] = field(default_factory=Counter)
    synchronisations: Counter[str] = field(default_factory=Counter)
    graphs: Counter[str] = field(default_factory=Counter)
    blas: Counter[str] = field(default_factory=Counter)
    graph_blas: Counter[str] = field(default_factory=Counter)
    compilations: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Record:
        """Return a record with the same counts that doesn't change any more."""
        return Record(*(Counter(getattr(self, f.name)) for f in fields(self)))

    def __sub__(self, other: Record) -> Record:
        # Counter's own difference: what was counted since is never negative.
        return Record(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def __str__(self) -> str:
        lines = []
        for f in fields(self):
            counts: Counter[str] = getattr(self, f.name)
            if counts:
                parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
                lines.append(f"{f.name}: {counts.total()} ({parts})")
        return "\n".join(lines) or "nothing"


class Ledger(Record):
    """The counts since the executor was installed."""

    @contextmanager
    def recording(self) -> Iterator[Record]:
        """Count what happens in a block.

        Yields
        ------
        Record
            Empty till the block ends; then what happened in it.
        """
        before = self.copy()
        record = Record()
        try:
            yield record
        finally:
            difference = self.copy() - before
            for f in fields(record):
                setattr(record, f.name, getattr(difference, f.name))


ledger = Ledger()
