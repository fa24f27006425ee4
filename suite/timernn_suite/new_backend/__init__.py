"""A new backend to begin with: a small distribution of its own, written from templates, that passes the suite."""

from timernn_suite.new_backend.naming import Names, SkeletonError
from timernn_suite.new_backend.write import Kind, write_skeleton

__all__ = ["Kind", "Names", "SkeletonError", "write_skeleton"]
