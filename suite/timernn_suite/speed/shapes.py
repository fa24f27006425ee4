"""The one table of shapes that every speed measurement uses."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Block:
    """One block of `TimeRNN`, forward and backward: batch N, time T, input D, hidden H."""

    name: str
    N: int
    T: int
    D: int
    H: int

    @property
    def tokens(self) -> int:
        """Tokens that one call works on."""
        return self.N * self.T

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products of one forward and backward: 6·N·T·(D·H + H²)."""
        return 6 * self.tokens * (self.D * self.H + self.H * self.H)

    def as_request(self) -> dict[str, object]:
        """Return what a worker needs to know to build it."""
        return {"task": "block", **asdict(self)}


@dataclass(frozen=True)
class Step:
    """One training step of the language model: all layers forward and backward, and SGD. D = H, vocabulary V."""

    name: str
    N: int
    T: int
    H: int
    V: int

    @property
    def tokens(self) -> int:
        """Tokens that one call works on."""
        return self.N * self.T

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products of one step: 6·N·T·(2·H² + H·V)."""
        return 6 * self.tokens * (2 * self.H * self.H + self.H * self.V)

    def as_request(self) -> dict[str, object]:
        """Return what a worker needs to know to build it."""
        return {"task": "step", **asdict(self)}


BLOCKS = (
    Block("toy", 10, 5, 100, 100),
    Block("small", 20, 35, 100, 100),
    Block("stream", 1, 100, 128, 128),
    Block("medium", 64, 100, 256, 256),
    Block("wide", 20, 35, 650, 650),
    Block("big", 128, 50, 512, 512),
    Block("tall", 20, 35, 200, 1500),
)

STEPS = (
    Step("toy model", 10, 5, 100, 418),
    Step("small model", 20, 35, 100, 10_000),
    Step("medium model", 20, 35, 400, 10_000),
)


def shape_named(text: str) -> Block | Step:
    """Return the shape of a name in the table, or a block of other sizes, given as ``N,T,D,H``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    for shape in (*BLOCKS, *STEPS):
        if shape.name == text:
            return shape
    sizes = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if len(sizes) != 4 or min(sizes) < 1:
        names = ", ".join(repr(shape.name) for shape in (*BLOCKS, *STEPS))
        raise ValueError(f"no shape is called {text!r}; there are {names}, or four sizes 'N,T,D,H'")
    return Block(",".join(map(str, sizes)), *sizes)
