"""What can be wrong with a sweep, each with a message that says what to do."""

from __future__ import annotations


class SweepError(RuntimeError):
    """A sweep can't begin or can't go on; what is done is kept."""


class GridError(SweepError):
    """A grid file can't be read, or something in it is not what it must be."""
