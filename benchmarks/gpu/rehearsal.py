"""Whether this is a rehearsal: everything runs once, as small as can be, and its times mean nothing."""

import os

REHEARSAL = bool(os.environ.get("TIMERNN_REHEARSAL"))
