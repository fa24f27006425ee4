"""What can be compiled with Numba, lazily and each once, and how one compiled function finds the others.

There are three kinds of functions here:

- A **native** one takes numbers and pointers and is compiled by itself, once for an element type. Others call it by
  its address, which stands in a table that is handed from function to function as ``code``. As an ordinary helper
  its code would be optimised anew within each of its callers, which took most of a minute.
- A **shared out** one is native, and is run for each part of a piece of work: ``f(part, parts, code, …)`` is called
  as ``f(parts, code, …)``, on as many threads as there are parts.
- A **kernel** is what Python calls with arrays: a few calls of the others.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numba
import numpy as np
from llvmlite import ir
from numba import from_dtype, prange, types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.ufunc import parallel

from timernn.numba_kernels.caching import cache_of, timed

#: Parameters of a native function are integers, or annotated with one of these.
Code: TypeAlias = Any  # the table of addresses
Values: TypeAlias = Any  # a pointer to elements
Value: TypeAlias = Any  # one element
Doubles: TypeAlias = Any  # a pointer to float64
Labels: TypeAlias = Any  # a pointer to integers

_index = ir.IntType(64)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function of a few scalars that must melt into the loop around it, or the loop is not vectorised."""
    return numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)


def native(function: Callable[..., Any]) -> Any:
    """Make a function native; its first parameter is ``code``."""
    return _intrinsic_for(_Native(function), first=0)


def shared_out(function: Callable[..., Any]) -> Any:
    """Make a function native that begins with ``part, parts, code``, and is called as ``f(parts, code, …)``."""
    return _intrinsic_for(_Native(function), first=1)


def kernel(function: Callable[..., Any]) -> Callable[..., None]:
    """Compile a function ``f(parts, code, …)`` that Python calls as ``f(parts, dtype, …)``; it returns nothing.

    With more than 1 for ``parts`` one runs at a time: of Numba's threading layers one ends the process when two
    threads launch work at once, and two launches that share the same cores gain nothing on each other.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    dispatcher._cache = _cache_for(function)
    # Called for a signature that is new to this process.
    dispatcher._compile_for_args = timed(function, dispatcher._compile_for_args)
    tables: dict[Any, Any] = {}

    @functools.wraps(function)
    def launch(parts: int, dtype: Any, *arguments: Any) -> None:
        code = tables.get(dtype)
        if code is None:
            code = tables[dtype] = _table_with(set(_natives_of(function)), np.dtype(dtype))
        if parts == 1 or _pool.lost:
            dispatcher(1, code, *arguments)
        else:
            with _one_launch_at_a_time:
                dispatcher(parts, code, *arguments)

    return launch


_one_launch_at_a_time = threading.Lock()


class _Pool:
    """Numba's pool of threads: a child process by fork has none, and the usual OpenMP library ends it if it asks."""

    lost = False

    def forked(self) -> None:
        self.lost = parallel._is_initialized  # already by asking how many threads there are, by anyone's code


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forked)

# -- native functions ------------------------------------------------------------------------------


class _Native:
    """A function that is compiled by itself, and its place in the tables of addresses."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.function, self.options = function, options
        self.parameters = list(inspect.signature(function).parameters.values())
        self.place = len(_natives)
        _natives.append(self)

    def compiled_for(self, dtype: Any) -> Any:
        """Return the compiled function: by its address it is called with C's conventions."""
        element = from_dtype(dtype)
        kinds = {
            "Code": types.CPointer(types.intp),
            "Values": types.CPointer(element),
            "Value": element,
            "Doubles": types.CPointer(types.float64),
            "Labels": types.CPointer(types.intp),
        }
        arguments = tuple(kinds.get(parameter.annotation, types.intp) for parameter in self.parameters)
        compiled: Any = CFunc(self.function, (arguments, types.void), {}, {"error_model": "numpy", **self.options})
        compiled._cache = _cache_for(self.function)
        timed(self.function, compiled.compile)()
        return compiled


_natives: list[_Native] = []
_by_intrinsic: dict[int, _Native] = {}
_tables: dict[Any, Any] = {}
#: What has an address in use must not be collected.
_compiled: dict[tuple[_Native, Any], Any] = {}
_filling = threading.Lock()


def _table_with(needed: set[_Native], dtype: Any) -> Any:
    """Return the addresses for an element type, by place; those that are needed are compiled if they weren't."""
    with _filling:
        table = _tables.get(dtype, np.zeros(0, dtype=np.intp))
        table = _tables[dtype] = np.append(table, np.zeros(len(_natives) - len(table), dtype=np.intp))
        for function in (_launcher, *sorted(needed, key=lambda some: some.place)):
            if not table[function.place]:
                compiled = _compiled[function, dtype] = function.compiled_for(dtype)
                table[function.place] = compiled.address
    return table


def _natives_of(function: Callable[..., Any]) -> Iterator[_Native]:
    """Return the native functions that a function calls, by their names or as attributes of modules, and theirs."""
    names = function.__code__.co_names
    globals_ = function.__globals__
    known = [globals_, *(vars(globals_[name]) for name in names if isinstance(globals_.get(name), ModuleType))]
    for name in names:
        for place in known:
            called = _by_intrinsic.get(id(place.get(name)))
            if called:
                yield called
                yield from _natives_of(called.function)


def _cache_for(function: Callable[..., Any]) -> Any:
    """Return a function's cache on disk; in its machine code stand the places of those that it calls."""
    return cache_of(function, *sorted((called.place, called.function.__qualname__) for called in _natives_of(function)))


def _intrinsic_for(function: _Native, *, first: int) -> Any:
    """Return what stands for a native function in compiled code: a call by its address in the table.

    ``first`` is 1 where the function's own first parameter, its part of the work, is not given by the caller.
    """
    parameters = function.parameters[first:]

    def define(_typing: Any, *arguments: Any) -> Any:
        for kind, parameter in zip(arguments, parameters, strict=True):
            if isinstance(kind, types.Array) and kind.layout != "C":  # only its first element's place is passed on
                raise TypingError(f"{parameter.name}: must be a C-contiguous array, got {kind}")
        given = [
            kind if isinstance(kind, types.Array | types.CPointer) or parameter.annotation == "Value" else types.intp
            for kind, parameter in zip(arguments, parameters, strict=True)
        ]

        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            passed = [
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(signature.args, values, strict=True)
            ]
            if first == 0:
                builder.call(_address(builder, passed[0], function, [value.type for value in passed]), passed)
            else:
                _launch_from(builder, function, passed)
            return context.get_dummy_value()

        return types.void(*given), generate

    context = inspect.Parameter("_typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    define.__signature__ = inspect.Signature([context, *plain])  # type: ignore[attr-defined]
    functools.update_wrapper(define, function.function, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    del define.__wrapped__  # type: ignore[attr-defined]
    made = intrinsic(define)
    _by_intrinsic[id(made)] = function
    return made


def _address(builder: Any, code: Any, function: _Native, kinds: Sequence[Any]) -> Any:
    address = builder.load(builder.gep(code, [_index(function.place)]))
    return builder.inttoptr(address, ir.FunctionType(ir.VoidType(), kinds).as_pointer())


def _launch_from(builder: Any, function: _Native, passed: list[Any]) -> None:
    """Emit the call of a function for each part, its arguments in a block of memory that the threads read."""
    parts, code, *_ = passed
    callee = _address(builder, code, function, [_index, *(value.type for value in passed)])
    kept = [callee, *passed[1:]]
    block = cgutils.alloca_once(builder, ir.LiteralStructType([value.type for value in kept]))
    for place, value in enumerate(kept):
        builder.store(value, cgutils.gep_inbounds(builder, block, 0, place))
    entry = _entry(builder.module, f"{function.function.__name__}.part", block.type)
    with builder.if_else(builder.icmp_signed("==", parts, _index(1))) as (alone, together):
        with alone:  # waking threads costs more than a small block's work
            builder.call(entry, [_index(0), parts, builder.ptrtoint(block, _index)])
        with together:
            launch = _address(builder, code, _launcher, [_index] * 3)
            builder.call(launch, [parts, builder.ptrtoint(entry, _index), builder.ptrtoint(block, _index)])


def _entry(module: Any, name: str, block_type: Any) -> Any:
    """Return a function in a module that takes a part's number and the block, and calls with what is in it."""
    entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [_index] * 3), module.get_unique_name(name))
    entry.linkage = "internal"
    builder = ir.IRBuilder(entry.append_basic_block())
    part, parts, address = entry.args
    block = builder.inttoptr(address, block_type)
    callee, *others = (
        builder.load(cgutils.gep_inbounds(builder, block, 0, place))
        for place in range(len(block_type.pointee.elements))
    )
    builder.call(callee, [part, parts, *others])
    builder.ret_void()
    return entry


@intrinsic
def _call_entry(_typing, entry, part, parts, block):
    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_index] * 3)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


def _launch(parts, entry, block):
    for part in prange(parts):
        _call_entry(entry, part, parts, block)


#: The only function with Numba's threads in it: they are costly to compile.
_launcher = _Native(_launch, parallel=True)
