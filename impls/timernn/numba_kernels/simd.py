"""What the processor's vectors are, and the register tile that every matrix product here is made of.

A tile multiplies a few rows of A by a panel of B that is as wide as two vectors, and keeps the whole of its part of
C in registers while it runs along k. LLVM does not find this shape from scalar loops, so it is written as LLVM IR,
in generic vectors that LLVM maps to what the target has (AVX-512, AVX2, SSE, NEON). Tiles are compiled once for an
element type and called by their address: as a part of each kernel they would be compiled a dozen times.

References
----------
K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008.
F. Van Zee and R. van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", ACM TOMS 41(3), 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload

from timernn.numba_kernels.compiling import Code, Values, native


def _features() -> set[str]:
    """Return the processor features that Numba compiles for."""
    *_, features = cpu_target.target_context.codegen().magic_tuple()
    return {feature[1:] for feature in str(features).split(",") if feature.startswith("+")}


FEATURES = _features()
#: Bytes of one vector register.
VECTOR_BYTES = 64 if "avx512f" in FEATURES else 32 if "avx2" in FEATURES else 16
#: Bytes that a panel of B is wide: two vectors.
PANEL_BYTES = 2 * VECTOR_BYTES
#: Rows of a full tile: with two vectors a row, 12 of 16 registers hold C (24 of 32), the rest parts of A and B.
TILE_ROWS = 12 if "avx512f" in FEATURES else 6
_UNROLLED = 4
_FUSED = bool(FEATURES & {"fma", "neon"})
_index = ir.IntType(64)


def panel_width(pointer: Any) -> int:
    """Return how many of the elements that a pointer points to a panel is wide; for compiled code."""
    raise NotImplementedError


@overload(panel_width, inline="always")
def _panel_width_of(pointer):
    # A constant for the compiler: a loop over a panel's width becomes a few moves of whole vectors.
    width = PANEL_BYTES * 8 // pointer.dtype.bitwidth
    return lambda pointer: width


class _Shape:
    """One kind of tile: how many vectors and panels wide, and how its A lies."""

    def __init__(self, counts: Sequence[int], *, vectors: int = 2, panels: int = 1, packed: bool = False) -> None:
        self.counts, self.vectors, self.panels, self.packed = counts, vectors, panels, packed

    def name(self, itemsize: int) -> str:
        """Return the name of its function in a module."""
        of_a = "packed" if self.packed else "rows"
        return f"timernn_tile_{8 * itemsize}_{self.counts[0]}to{self.counts[-1]}_{self.vectors}x{self.panels}_{of_a}"


_ALL = range(1, TILE_ROWS + 1)


def _tile(shape: _Shape, narrow: _Shape | None = None) -> Any:
    """Return an intrinsic that calls a tile's function, and emits it where the module doesn't have it."""

    @intrinsic
    def tile(_typing, rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride):
        signature = types.void(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)

        def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
            dtype = signature.args[3].dtype
            element, itemsize = context.get_value_type(dtype), dtype.bitwidth // 8
            if narrow is None:
                function = _tile_function(builder.module, element, itemsize, shape)
            else:
                function = _panel_function(builder.module, element, itemsize, shape, narrow)
            builder.call(function, arguments)
            return context.get_dummy_value()

        return signature, generate

    return tile


_panel = _tile(_Shape(_ALL), _Shape(_ALL, vectors=1))
_packed_panel = _tile(_Shape(_ALL, packed=True), _Shape(_ALL, vectors=1, packed=True))
# Few rows have few chains of additions; several panels at once have as many as hide the latency of one.
_one_row = _tile(_Shape((1,), panels=4))
_two_rows = _tile(_Shape((2,), panels=2))
_three_rows = _tile(_Shape((3,), panels=2))

# All tiles compute ``C = init + A B`` for a few rows of A, at most TILE_ROWS, and one panel of B or several.
#
# ``columns`` is at most the panel's width; beside them nothing is read or written in ``init`` and C. Where a tile
# takes several panels, which must be whole, it is how far they lie apart. ``a_stride`` lies between two rows of A,
# whose elements are side by side, or between two columns of a packed one. A panel is ``(K, width)``, without gaps.
# ``i_stride`` and ``c_stride`` lie between rows; ``init`` may be C itself.
#
# Every element of C is one chain of multiply-adds in the order of k, whatever the counts are: how rows and columns
# are shared out changes no bit of a result.


@native
def panel(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, init: Values, i_stride, c: Values, c_stride
):  # fmt: skip
    """Multiply rows of A by one panel."""
    _panel(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)


@native
def packed_panel(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, init: Values, i_stride, c: Values, c_stride
):  # fmt: skip
    """Multiply rows of a packed A, whose columns are contiguous, by one panel."""
    _packed_panel(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)


@native
def one_row(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, init: Values, i_stride, c: Values, c_stride
):  # fmt: skip
    """Multiply one row by four panels."""
    _one_row(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)


@native
def two_rows(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, init: Values, i_stride, c: Values, c_stride
):  # fmt: skip
    """Multiply two rows by two panels."""
    _two_rows(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)


@native
def three_rows(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, init: Values, i_stride, c: Values, c_stride
):  # fmt: skip
    """Multiply three rows by two panels."""
    _three_rows(rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride)


@intrinsic
def at(_typing, pointer, offset):
    """Return the pointer to the element that is ``offset`` behind another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), generate


@intrinsic
def copy(_typing, source, target, count):
    """Copy so many elements; the two must not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        cgutils.raw_memcpy(builder, arguments[1], arguments[0], arguments[2], signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(source, target, types.intp), generate


def _mover(count_for: Callable[[int], int], *, strided: bool) -> Any:
    """Return an intrinsic that copies so many elements at once: all are read before one is written."""

    @intrinsic
    def move(_typing, source, stride, target):
        def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
            first, stride, target = arguments
            dtype = signature.args[0].dtype
            itemsize = dtype.bitwidth // 8
            vector = ir.VectorType(context.get_value_type(dtype), count_for(itemsize))
            if strided:
                value = ir.Constant(vector, ir.Undefined)
                for place in range(vector.count):
                    element = builder.load(builder.gep(first, [builder.mul(stride, _index(place))]))
                    value = builder.insert_element(value, element, ir.IntType(32)(place))
            else:
                value = builder.load(builder.bitcast(first, vector.as_pointer()))
                value.align = itemsize
            builder.store(value, builder.bitcast(target, vector.as_pointer())).align = itemsize
            return context.get_dummy_value()

        return types.void(source, types.intp, target), generate

    return move


#: One row of a panel of B, from elements side by side or ``stride`` apart; and one column of a packed A.
#: LLVM can't make vectors of loops here: source and target might overlap.
move_panel_row = _mover(lambda itemsize: PANEL_BYTES // itemsize, strided=False)
gather_panel_row = _mover(lambda itemsize: PANEL_BYTES // itemsize, strided=True)
move_tile_column = _mover(lambda itemsize: TILE_ROWS, strided=False)


class _Emitter:
    """A function in a module, and instructions on vectors of one element type."""

    def __init__(self, module: Any, name: str, element: Any, itemsize: int) -> None:
        array, size = element.as_pointer(), _index
        kind = ir.FunctionType(ir.VoidType(), [*[size] * 3, array, size, array, array, size, array, size])
        self.function = ir.Function(module, kind, name)
        self.function.linkage = "linkonce_odr"
        self.function.attributes.add("noinline")
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.itemsize, self.lanes = itemsize, VECTOR_BYTES // itemsize
        self.vector = ir.VectorType(element, self.lanes)

    def at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def times(self, stride: Any, count: int) -> Any:
        return self.builder.mul(stride, _index(count))

    def load(self, pointer: Any) -> Any:
        value = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        value.align = self.itemsize
        return value

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer())).align = self.itemsize

    def splat(self, scalar: Any) -> Any:
        undefined, int32 = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(undefined, scalar, int32(0))
        everywhere = ir.Constant(ir.VectorType(int32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, everywhere)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        if not _FUSED:
            return self.builder.fadd(self.builder.fmul(a, b), c)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fma.v{self.lanes}f{8 * self.itemsize}"
        return self.builder.call(cgutils.get_or_insert_function(self.function.module, kind, name), [a, b, c])

    def loop(self, start: Any, end: Any, step: int, carried: list[Any], body: Any) -> tuple[Any, list[Any]]:
        """Emit ``for k in range(start, end, step)`` ``step`` bodies at once, carried values in registers."""
        builder, before = self.builder, self.builder.block
        head, inside, after = (builder.append_basic_block(f"k.{name}") for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, phis = builder.phi(_index), [builder.phi(value.type) for value in carried]
        builder.cbranch(builder.icmp_signed("<", k, end), inside, after)
        builder.position_at_end(inside)
        values = list(phis)
        for ahead in range(step):
            values = body(builder.add(k, _index(ahead)), values)
        following = builder.add(k, _index(step))
        for phi, first, next_one in zip([k, *phis], [start, *carried], [following, *values], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(next_one, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return k, phis


def _tile_function(module: Any, element: Any, itemsize: int, shape: _Shape) -> Any:
    """Return the function of whole panels: a loop for each count of rows."""
    name = shape.name(itemsize)
    if name in module.globals:
        return module.globals[name]
    emitter = _Emitter(module, name, element, itemsize)
    done = emitter.function.append_basic_block("done")
    choice = emitter.builder.switch(emitter.function.args[0], done)
    for count in shape.counts:
        case = emitter.function.append_basic_block(f"rows.{count}")
        choice.add_case(_index(count), case)
        emitter.builder.position_at_end(case)
        _emit_rows(emitter, count, shape)
        emitter.builder.branch(done)
    emitter.builder.position_at_end(done)
    emitter.builder.ret_void()
    return emitter.function


def _emit_rows(emit: _Emitter, rows: int, shape: _Shape) -> None:
    _, b_stride, K, a, a_stride, b, init, i_stride, c, c_stride = emit.function.args
    width = 2 * emit.lanes
    parts = [(panel, part * emit.lanes) for panel in range(shape.panels) for part in range(shape.vectors)]
    a_rows = [emit.at(a, _index(row) if shape.packed else emit.times(a_stride, row)) for row in range(rows)]
    panels = [emit.at(b, emit.times(b_stride, panel)) if panel else b for panel in range(shape.panels)]

    def places(first: Any, stride: Any) -> list[Any]:
        starts = [emit.at(first, emit.times(stride, row)) for row in range(rows)]
        return [emit.at(start, _index(panel * width + lane)) for start in starts for panel, lane in parts]

    def multiply(k: Any, sums: list[Any]) -> list[Any]:
        row_of_b = emit.times(k, width)
        bs = [emit.load(emit.at(emit.at(panels[panel], row_of_b), _index(lane))) for panel, lane in parts]
        step = emit.builder.mul(k, a_stride) if shape.packed else k
        made = []
        for row in range(rows):
            factor = emit.splat(emit.builder.load(emit.at(a_rows[row], step)))
            of_row = sums[row * len(bs) : (row + 1) * len(bs)]
            made += [emit.multiply_add(factor, b, part) for b, part in zip(bs, of_row, strict=True)]
        return made

    sums = [emit.load(place) for place in places(init, i_stride)]
    whole = emit.builder.sub(K, emit.builder.srem(K, _index(_UNROLLED)))
    k, sums = emit.loop(_index(0), whole, _UNROLLED, sums, multiply)
    _, sums = emit.loop(k, K, 1, sums, multiply)
    for value, place in zip(sums, places(c, c_stride), strict=True):
        emit.store(value, place)


def _panel_function(module: Any, element: Any, itemsize: int, full: _Shape, narrow: _Shape) -> Any:
    """Return the function of a panel that may be wider than C: its part of C then goes through memory of its own."""
    name = full.name(itemsize) + "_any"
    if name in module.globals:
        return module.globals[name]
    whole, half = (_tile_function(module, element, itemsize, shape) for shape in (full, narrow))
    emit = _Emitter(module, name, element, itemsize)
    builder, lanes, width = emit.builder, emit.lanes, _index(2 * emit.lanes)
    rows, columns, K, a, a_stride, b, init, i_stride, c, c_stride = emit.function.args
    scratch = builder.alloca(element, size=TILE_ROWS * 2 * lanes)
    scratch.align = VECTOR_BYTES
    with builder.if_else(builder.icmp_signed("==", columns, width)) as (fits, sticks_out):
        with fits:
            builder.call(whole, emit.function.args)
        with sticks_out:
            _copy(emit, init, i_stride, scratch, width)
            arguments = [rows, columns, K, a, a_stride, b, scratch, width, scratch, width]
            with builder.if_else(builder.icmp_signed("<=", columns, _index(lanes))) as (little, much):
                with little:
                    builder.call(half, arguments)
                with much:
                    builder.call(whole, arguments)
            _copy(emit, scratch, width, c, c_stride)
    builder.ret_void()
    return emit.function


def _copy(emit: _Emitter, source: Any, source_stride: Any, target: Any, target_stride: Any) -> None:
    rows, columns = emit.function.args[:2]
    builder = emit.builder

    def row_by_row(row: Any, _: list[Any]) -> list[Any]:
        start, end = (emit.at(p, builder.mul(row, s)) for p, s in ((source, source_stride), (target, target_stride)))

        def one_by_one(column: Any, _: list[Any]) -> list[Any]:
            builder.store(builder.load(emit.at(start, column)), emit.at(end, column))
            return []

        emit.loop(_index(0), columns, 1, [], one_by_one)
        return []

    emit.loop(_index(0), rows, 1, [], row_by_row)
