"""The functions of CuPy's runtime module: devices, memory, streams and events; copies and graphs lie in modules apart.

Names, arguments and results are CuPy's, which are those of the CUDA runtime without the status.
"""

from __future__ import annotations

from collections.abc import Callable

from cuda_on_host import copies, graph_calls
from cuda_on_host.devices import MEMORY_BYTES, attributes, properties
from cuda_on_host.errors import InvalidHandle, NotEmulated
from cuda_on_host.ledger import ledger
from cuda_on_host.memory import memory
from cuda_on_host.settings import settings
from cuda_on_host.streams import timeline

CUDA_VERSION = 13000
NOT_READY = 600  # cudaErrorNotReady
MEMORY_TYPE_HOST, MEMORY_TYPE_DEVICE, MEMORY_TYPE_UNREGISTERED = 1, 2, 0


def ensure_context() -> None:
    """Do nothing: there is no context to make."""


def get_version() -> int:
    """Return the version of CUDA, of the driver and of the runtime alike."""
    return CUDA_VERSION


def set_device(device: int) -> None:
    """Choose the device: there is one."""
    if device != 0:
        raise InvalidHandle(f"there is no device {device}, only device 0 (cudaErrorInvalidDevice)")


def device_synchronize() -> None:
    """Wait for all work."""
    timeline.synchronise_device()
    memory.check("something", freed=True)


def mem_get_info() -> tuple[int, int]:
    """Return the free and the total memory in bytes."""
    return MEMORY_BYTES - memory.used, MEMORY_BYTES


def malloc(size: int) -> int:
    """Return device memory."""
    timeline.refuse_while_capturing("an allocation", unsafe=True)
    return memory.allocate(size, "device")


def free(address: int) -> None:
    """Take device memory back, once all work is done."""
    if address == 0:
        return
    timeline.refuse_while_capturing("freeing memory", unsafe=True)
    ledger.synchronisations["implicit"] += 1
    timeline.run_everything()
    memory.release(address, "device")


def host_alloc(size: int, flags: int) -> int:
    """Return pinned memory of the host."""
    if flags & ~0b111:
        raise NotEmulated(f"pinned memory with flags {flags}")
    return memory.allocate(size, "pinned")


def free_host(address: int) -> None:
    """Take pinned memory back, once all work is done."""
    timeline.run_everything()
    memory.release(address, "pinned")


def pointer_get_memory_type(address: int) -> int:
    """Return the kind of memory that an address lies in."""
    found = memory.find(address)
    if found is None:
        return MEMORY_TYPE_UNREGISTERED
    return MEMORY_TYPE_HOST if found.pinned else MEMORY_TYPE_DEVICE


def stream_create_with_flags(flags: int) -> int:
    """Return a new stream; flag 1 makes it independent of the default stream."""
    return timeline.create_stream(blocking=not flags & 1)


def stream_create_with_priority(flags: int, priority: int) -> int:
    """Return a new stream; its priority is kept but has no effect."""
    return timeline.create_stream(blocking=not flags & 1, priority=priority)


def stream_synchronize(handle: int) -> None:
    """Wait for a stream's work."""
    timeline.synchronise(timeline.stream(handle), "stream")


def stream_query(handle: int) -> int:
    """Return 0 if a stream's work is done, else 600; each question brings it one step on."""
    stream = timeline.stream(handle)
    if stream.capture is not None:
        stream.capture.invalidate(f"a query of {stream.name}")
    if stream.done >= stream.submitted:
        return 0
    timeline.run_until(stream, stream.done + 1)
    return NOT_READY


def stream_wait_event(handle: int, event: int, _flags: int | None = None) -> None:
    """Let a stream's next work wait for an event."""
    timeline.wait_event(timeline.stream(handle), timeline.event(event))


def event_create_with_flags(_flags: int) -> int:
    """Return a new event."""
    return timeline.create_event()


def event_destroy(handle: int) -> None:
    """Forget an event."""
    timeline.events.pop(handle, None)


def event_record(handle: int, stream: int) -> None:
    """Mark a stream's place with an event."""
    timeline.record(timeline.event(handle), timeline.stream(stream))


def event_query(handle: int) -> int:
    """Return 0 if an event is reached, else 600; each question brings its stream one step on."""
    event = timeline.event(handle)
    if event.capture is not None and event.capture.origin.capture is event.capture:
        event.capture.invalidate("a query of an event of the capture")
    if event.point is None or event.point.reached:
        return 0
    timeline.run_until(event.point.stream, event.point.stream.done + 1)
    return NOT_READY


def event_synchronize(handle: int) -> None:
    """Wait for an event."""
    event = timeline.event(handle)
    if event.capture is not None and event.capture.origin.capture is event.capture:
        event.capture.invalidate("waiting for an event of the capture")
    ledger.synchronisations["event"] += 1
    if event.point is not None:
        timeline.run_until(event.point.stream, event.point.number)


def event_elapsed_time(start: int, end: int) -> float:
    """Return the milliseconds between two events, on the host: they say nothing of a device."""
    times = [timeline.event(handle).time for handle in (start, end)]
    if times[0] is None or times[1] is None:
        raise InvalidHandle("the time of an event that was not reached yet (cudaErrorNotReady)")
    return (times[1] - times[0]) * 1000.0


def device_get_attribute(attribute: int, _device: int) -> int:
    """Return an attribute of the pretended device, by its number."""
    return attributes(settings.device).get(attribute, 0)


FUNCTIONS: dict[str, Callable[..., object]] = {
    "_ensure_context": ensure_context,
    "driverGetVersion": get_version,
    "runtimeGetVersion": get_version,
    "_getCUDAMajorVersion": lambda: CUDA_VERSION // 1000,
    "getDevice": lambda: 0,
    "setDevice": set_device,
    "getDeviceCount": lambda: 1,
    "deviceGetAttribute": device_get_attribute,
    "getDeviceProperties": lambda _device: properties(settings.device),
    "deviceGetPCIBusId": lambda _device: "0000:00:00.0",
    "deviceGetByPCIBusId": lambda _identifier: 0,
    "deviceCanAccessPeer": lambda _device, _peer: 0,
    "deviceGetLimit": lambda _limit: 0,
    "deviceSynchronize": device_synchronize,
    "profilerStart": ensure_context,
    "profilerStop": ensure_context,
    "memGetInfo": mem_get_info,
    "malloc": malloc,
    "free": free,
    "hostAlloc": host_alloc,
    "freeHost": free_host,
    "pointerGetMemoryType": pointer_get_memory_type,
    "streamCreate": lambda: timeline.create_stream(blocking=True),
    "streamCreateWithFlags": stream_create_with_flags,
    "streamCreateWithPriority": stream_create_with_priority,
    "streamDestroy": timeline.destroy_stream,
    "streamGetFlags": lambda handle: int(not timeline.stream(handle).blocking),
    "streamGetPriority": lambda handle: timeline.stream(handle).priority,
    "streamSynchronize": stream_synchronize,
    "streamQuery": stream_query,
    "streamWaitEvent": stream_wait_event,
    "eventCreate": timeline.create_event,
    "eventCreateWithFlags": event_create_with_flags,
    "eventDestroy": event_destroy,
    "eventRecord": event_record,
    "eventQuery": event_query,
    "eventSynchronize": event_synchronize,
    "eventElapsedTime": event_elapsed_time,
    **copies.FUNCTIONS,
    **graph_calls.FUNCTIONS,
}
