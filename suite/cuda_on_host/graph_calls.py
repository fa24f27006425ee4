"""The runtime's functions for stream capture and graphs."""

from __future__ import annotations

from collections.abc import Callable

from cuda_on_host.capsules import optional_argument
from cuda_on_host.errors import CaptureError
from cuda_on_host.graphs import RELAXED, Capture, graphs
from cuda_on_host.ledger import ledger
from cuda_on_host.streams import LEGACY, timeline


def stream_begin_capture(handle: int, mode: int | None = None) -> None:
    """Record a stream's work instead of running it.

    Parameters
    ----------
    handle
        The stream.
    mode
        0 global, 1 of this thread, 2 relaxed; from Cython, the address of a struct with it.
    """
    stream = timeline.stream(handle)
    if stream.handle == LEGACY:
        raise CaptureError("the default stream can't be captured (cudaErrorStreamCaptureUnsupported)")
    if stream.capture is not None:
        raise CaptureError(f"{stream.name} is captured already (cudaErrorIllegalState)")
    ledger.graphs["capture"] += 1
    stream.capture = Capture(stream, optional_argument(mode, RELAXED))


def stream_end_capture(handle: int) -> int:
    """Return the graph of what was recorded."""
    stream = timeline.stream(handle)
    if stream.capture is None:
        raise CaptureError(f"{stream.name} isn't captured (cudaErrorIllegalState)")
    if stream.capture.origin is not stream:
        stream.capture.invalidate("ending a capture from another stream than it began in")
    return graphs.keep(stream.capture.end())


def graph_upload(instance: int, stream: int) -> None:
    """Check that there is such an instance: there is nothing to upload."""
    graphs.replay(instance)
    timeline.stream(stream)
    ledger.graphs["upload"] += 1


def graph_launch(instance: int, stream: int) -> None:
    """Run an instance of a graph in a stream."""
    replay = graphs.replay(instance)
    if timeline.submit(stream, replay):
        ledger.graphs["launch"] += 1
        replay.count_in_graph()


FUNCTIONS: dict[str, Callable[..., object]] = {
    "streamBeginCapture": stream_begin_capture,
    "streamEndCapture": stream_end_capture,
    "streamIsCapturing": lambda handle: int(timeline.stream(handle).capture is not None),
    "graphInstantiate": graphs.instantiate,
    "graphDestroy": graphs.destroy,
    "graphExecDestroy": graphs.destroy_instance,
    "graphUpload": graph_upload,
    "graphLaunch": graph_launch,
}
