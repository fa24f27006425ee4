"""Speed side by side: each implementation in a process of its own, in interleaved rounds, quoted as ratios."""

from timernn_suite.speed.compare import Comparison, Measurement, compare
from timernn_suite.speed.shapes import BLOCKS, STEPS, Block, Step

__all__ = ["BLOCKS", "STEPS", "Block", "Comparison", "Measurement", "Step", "compare"]
