"""The command ``timernn``: one module a command."""

from timernn_suite.cli.app import main

__all__ = ["main"]
