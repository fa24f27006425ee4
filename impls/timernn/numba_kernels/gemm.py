"""Matrix products ``C = init + A B`` by blocks that fit the caches, for a thread's share of the rows or columns of C.

Panels of B are packed so that the register tile (`simd.make_tile`) reads them one vector after another; blocks of
them stay in a core's second-level cache while all rows of A pass by. A is read as it lies where its rows run along
k; a transposed A, as in the weights' gradients, is packed too. Arrays are flat, with strides in elements.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, from_dtype, types

from timernn.numba_kernels.compiling import helper, native_address
from timernn.numba_kernels.simd import (
    ONE_ROW,
    PACKED_PANEL,
    PANEL,
    PANEL_BYTES,
    THREE_ROWS,
    TILE_ROWS,
    TILES,
    TWO_ROWS,
    call_native,
    call_tile,
    gather_panel_row,
    move_panel_row,
    move_tile_column,
    panel_width,
    tile_addresses,
)

#: Steps along k between two visits to the same element of C.
K_BLOCK = 256
#: Columns of B, and rows of a packed A, that are packed together: with K_BLOCK, a part of the second-level cache.
COLUMN_BLOCK = 256
ROW_BLOCK = 8 * TILE_ROWS


def scratch_elements() -> int:
    """Return how many elements of scratch memory a thread needs for its products."""
    return K_BLOCK * (COLUMN_BLOCK + ROW_BLOCK)


def packed_elements(K: int, columns: int, itemsize: int) -> int:
    """Return how many elements `pack_panels` writes for a matrix of K rows."""
    width = PANEL_BYTES // itemsize
    return -(-columns // width) * width * K


@helper
def panels_of(columns, width, part, parts):
    """Return the first and the end of a thread's part of the columns, in whole panels."""
    panels = -(-columns // width)
    return min(columns, panels * part // parts * width), min(columns, panels * (part + 1) // parts * width)


@helper
def _pack_panels(b, b0, k_stride, j_stride, k0, k1, j0, j1, out, o0):
    """Copy rows k0…k1 and columns j0…j1 of B into panels, each ``(k1 - k0, width)``; the last is filled with zeros."""
    width = panel_width(out)
    K = k1 - k0
    for j in range(j0, j1, width):
        columns = min(width, j1 - j)
        panel = o0 + (j - j0) * K
        source = b0 + k0 * k_stride + j * j_stride
        if columns < width:
            for _ in range(K):
                for c in range(width):
                    out[panel + c] = b[source + c * j_stride] if c < columns else 0
                panel += width
                source += k_stride
        elif j_stride == 1:
            for _ in range(K):
                move_panel_row(b, source, 1, out, panel)
                panel += width
                source += k_stride
        else:
            for _ in range(K):
                gather_panel_row(b, source, j_stride, out, panel)
                panel += width
                source += k_stride


@helper
def _pack_transposed(a, a0, k_stride, group, k0, k1, i0, i1, out, o0):
    """Copy columns i0…i1 of rows k0…k1 into panels of TILE_ROWS columns; after each ``group`` rows one is left out."""
    K = k1 - k0
    for k in range(K):
        row = k0 + k
        source = a0 + (row + row // group) * k_stride
        for i in range(i0, i1, TILE_ROWS):
            panel = o0 + (i - i0) * K + k * TILE_ROWS
            if i1 - i >= TILE_ROWS:
                move_tile_column(a, source + i, 1, out, panel)
            else:
                for r in range(i1 - i):
                    out[panel + r] = a[source + i + r]


@helper
def _rows_by_panels(tiles, rows, columns, K, a, a0, a_stride, b, b0, b_panel, init, i0, i_stride, c, c0, c_stride):
    """Compute ``rows`` × ``columns`` of C from packed panels of B that lie ``b_panel`` apart."""
    width = panel_width(c)
    j, panel = 0, b0
    if rows <= 3:
        together = 4 if rows == 1 else 2
        tile = tiles[ONE_ROW if rows == 1 else TWO_ROWS if rows == 2 else THREE_ROWS]
        while j + together * width <= columns:
            call_tile(tile, rows, b_panel, K, a, a0, a_stride, b, panel, init, i0 + j, i_stride, c, c0 + j, c_stride)
            j += together * width
            panel += together * b_panel
    tile = tiles[PANEL]
    blocks = -(-rows // TILE_ROWS)
    while j < columns:
        columns_here = min(width, columns - j)
        end = 0
        for block in range(blocks):  # as equal as can be: full tiles and a thin one would be slower
            row, end = end, rows * (block + 1) // blocks
            at_a, at_i, at_c = a0 + row * a_stride, i0 + row * i_stride + j, c0 + row * c_stride + j
            call_tile(
                tile, end - row, columns_here, K, a, at_a, a_stride, b, panel, init, at_i, i_stride, c, at_c, c_stride
            )
        j += width
        panel += b_panel


@helper
def _multiply(
    tiles, i0, i1, j0, j1, K, a, a_stride, b, bk_stride, bj_stride, init, init_stride, c, c_stride, scratch, s0
):
    """Compute rows i0…i1 and columns j0…j1 of ``C = init + A B``, A with rows along k.

    ``init_stride`` 0 begins every row with the same: a bias, or zeros.
    """
    width = panel_width(c)
    for j in range(j0, j1, COLUMN_BLOCK):
        columns = min(j1 - j, COLUMN_BLOCK)
        for k in range(0, K, K_BLOCK):
            count = min(K - k, K_BLOCK)
            _pack_panels(b, 0, bk_stride, bj_stride, k, k + count, j, j + columns, scratch, s0)
            # A few rows of C at a time: as long pieces of it are written as there are columns.
            blocks, end = -(-(i1 - i0) // TILE_ROWS), i0
            for block in range(blocks):
                row, end = end, i0 + (i1 - i0) * (block + 1) // blocks
                at_c = row * c_stride + j
                begin, at_i, i_stride = (c, at_c, c_stride) if k > 0 else (init, row * init_stride + j, init_stride)
                _rows_by_panels(
                    tiles, end - row, columns, count, a, row * a_stride + k, a_stride, scratch, s0, width * count,
                    begin, at_i, i_stride, c, at_c, c_stride,
                )  # fmt: skip


@helper
def _multiply_transposed(tiles, rows, j0, j1, K, a, a_stride, group, b, b_stride, zeros, c, c_stride, scratch, s0):
    """Compute columns j0…j1 of ``C = Aᵀ B`` with ``rows`` rows: A ``(K, ·)`` and B ``(K, ·)`` row by row.

    After each ``group`` rows of A one is left out: with T + 1 states a sequence, those before each of T steps.
    """
    width = panel_width(c)
    packed_a = s0 + K_BLOCK * COLUMN_BLOCK
    for j in range(j0, j1, COLUMN_BLOCK):
        j_end = min(j1, j + COLUMN_BLOCK)
        for k in range(0, K, K_BLOCK):
            count = min(K - k, K_BLOCK)
            _pack_panels(b, 0, b_stride, 1, k, k + count, j, j_end, scratch, s0)
            for i in range(0, rows, ROW_BLOCK):
                i_end = min(rows, i + ROW_BLOCK)
                _pack_transposed(a, 0, a_stride, group, k, k + count, i, i_end, scratch, packed_a)
                for ii in range(i, i_end, TILE_ROWS):
                    rows_here, at_a = min(TILE_ROWS, i_end - ii), packed_a + (ii - i) * count
                    for jj in range(j, j_end, width):
                        columns, panel, at_c = min(width, j_end - jj), s0 + (jj - j) * count, ii * c_stride + jj
                        begin, at_i, i_stride = (c, at_c, c_stride) if k > 0 else (zeros, 0, 0)
                        call_tile(
                            tiles[PACKED_PANEL], rows_here, columns, count, scratch, at_a, TILE_ROWS, scratch, panel,
                            begin, at_i, i_stride, c, at_c, c_stride,
                        )  # fmt: skip


@helper
def sum_rows(a, rows, columns, first, last, out):
    """Sum columns first…last of A ``(rows, columns)``, in the order of rows."""
    sums = out[first:last]
    sums[:] = 0
    for row in range(rows):
        of_row = a[row * columns + first : row * columns + last]
        for j in range(last - first):
            sums[j] += of_row[j]


# What kernels call: each is compiled once for an element type and called by its address, like the tiles.

#: The places of the addresses in `code_for`, behind those of the tiles.
_PACK, _ROWS, _MULTIPLY, _MULTIPLY_TRANSPOSED = range(TILES, TILES + 4)
#: An array whose length is known to the caller only.
_ANY_LENGTH = 2**40


@helper
def pack_panels(code, b, b0, k_stride, j_stride, k0, k1, j0, j1, out, o0):
    """Copy rows k0…k1 and columns j0…j1 of B into panels, each ``(k1 - k0, width)``; the last is filled with zeros."""
    call_native(code[_PACK], (b, b0, k_stride, j_stride, k0, k1, j0, j1, out, o0))


@helper
def rows_by_panels(code, rows, columns, K, a, a0, a_stride, b, b0, b_panel, init, i0, i_stride, c, c0, c_stride):
    """Compute ``rows`` × ``columns`` of C from packed panels of B that lie ``b_panel`` apart."""
    arguments = (code, rows, columns, K, a, a0, a_stride, b, b0, b_panel, init, i0, i_stride, c, c0, c_stride)
    call_native(code[_ROWS], arguments)


@helper
def multiply(
    code, i0, i1, j0, j1, K, a, a_stride, b, bk_stride, bj_stride, init, init_stride, c, c_stride, scratch, s0
):
    """Compute rows i0…i1 and columns j0…j1 of ``C = init + A B``, A with rows along k.

    ``init_stride`` 0 begins every row with the same: a bias, or zeros.
    """
    b_and_init = (b, bk_stride, bj_stride, init, init_stride)
    call_native(code[_MULTIPLY], (code, i0, i1, j0, j1, K, a, a_stride, *b_and_init, c, c_stride, scratch, s0))


@helper
def multiply_transposed(code, rows, j0, j1, K, a, a_stride, group, b, b_stride, zeros, c, c_stride, scratch, s0):
    """Compute columns j0…j1 of ``C = Aᵀ B`` with ``rows`` rows: A ``(K, ·)`` and B ``(K, ·)`` row by row.

    After each ``group`` rows of A one is left out: with T + 1 states a sequence, those before each of T steps.
    """
    arguments = (code, rows, j0, j1, K, a, a_stride, group, b, b_stride, zeros, c, c_stride, scratch, s0)
    call_native(code[_MULTIPLY_TRANSPOSED], arguments)


@functools.cache
def code_for(dtype: Any) -> Any:
    """Return the addresses of the tiles and of the products for an element type; the first call compiles them."""
    of, size, addresses = types.CPointer(from_dtype(np.dtype(dtype))), types.intp, types.CPointer(types.intp)
    products: dict[Callable[..., Any], Any] = {
        _pack_native: (of, *[size] * 7, of, size),
        _rows_native: (addresses, *[size] * 3, of, size, size, of, size, size, of, size, size, of, size, size),
        _multiply_native: (addresses, *[size] * 5, of, size, of, size, size, of, size, of, size, of, size),
        _multiply_transposed_native: (addresses, *[size] * 4, of, size, size, of, size, of, of, size, of, size),
    }
    made = [native_address(product, types.void(*arguments)) for product, arguments in products.items()]
    return np.concatenate((tile_addresses(dtype), np.array(made, dtype=np.intp)))


def _pack_native(b, b0, k_stride, j_stride, k0, k1, j0, j1, out, o0):
    _pack_panels(
        carray(b, _ANY_LENGTH), b0, k_stride, j_stride, k0, k1, j0, j1, carray(out, _ANY_LENGTH), o0
    )  # fmt: skip


def _rows_native(code, rows, columns, K, a, a0, a_stride, b, b0, b_panel, init, i0, i_stride, c, c0, c_stride):
    _rows_by_panels(
        carray(code, TILES), rows, columns, K, carray(a, _ANY_LENGTH), a0, a_stride, carray(b, _ANY_LENGTH), b0,
        b_panel, carray(init, _ANY_LENGTH), i0, i_stride, carray(c, _ANY_LENGTH), c0, c_stride,
    )  # fmt: skip


def _multiply_native(
    code, i0, i1, j0, j1, K, a, a_stride, b, bk_stride, bj_stride, init, init_stride, c, c_stride, scratch, s0
):
    _multiply(
        carray(code, TILES), i0, i1, j0, j1, K, carray(a, _ANY_LENGTH), a_stride, carray(b, _ANY_LENGTH), bk_stride,
        bj_stride, carray(init, _ANY_LENGTH), init_stride, carray(c, _ANY_LENGTH), c_stride,
        carray(scratch, _ANY_LENGTH), s0,
    )  # fmt: skip


def _multiply_transposed_native(
    code, rows, j0, j1, K, a, a_stride, group, b, b_stride, zeros, c, c_stride, scratch, s0
):
    _multiply_transposed(
        carray(code, TILES), rows, j0, j1, K, carray(a, _ANY_LENGTH), a_stride, group, carray(b, _ANY_LENGTH), b_stride,
        carray(zeros, _ANY_LENGTH), carray(c, _ANY_LENGTH), c_stride, carray(scratch, _ANY_LENGTH), s0,
    )  # fmt: skip
