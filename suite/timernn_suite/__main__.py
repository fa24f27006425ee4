"""``python -m timernn_suite``: the same as the command ``timernn``."""

from timernn_suite.cli import main

if __name__ == "__main__":
    main()
