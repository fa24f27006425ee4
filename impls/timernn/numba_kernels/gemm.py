"""Matrix products ``C = init + A B`` by blocks that fit the caches, for a thread's share of the rows or columns of C.

Panels of B are packed so that the register tiles of `simd` read them one vector after another; blocks of them stay
in a core's second-level cache while all rows of A pass by. A is read as it lies where its rows run along k; a
transposed A, as in the weights' gradients, is packed too. Strides are in elements.
"""

from __future__ import annotations

from timernn.numba_kernels.compiling import Code, Values, inlined, native
from timernn.numba_kernels.simd import (
    PANEL_BYTES,
    TILE_ROWS,
    at,
    gather_panel_row,
    move_panel_row,
    move_tile_column,
    one_row,
    packed_panel,
    panel,
    panel_width,
    three_rows,
    two_rows,
)

#: Steps along k between two visits to the same element of C.
K_BLOCK = 256
#: Columns of B, and rows of a packed A, that are packed together: with K_BLOCK, a part of the second-level cache.
COLUMN_BLOCK = 256
ROW_BLOCK = 8 * TILE_ROWS
#: Elements of scratch memory that a thread needs for its products.
SCRATCH = K_BLOCK * (COLUMN_BLOCK + ROW_BLOCK)


def packed_elements(K: int, columns: int, itemsize: int) -> int:
    """Return how many elements `pack_panels` writes for a matrix of K rows."""
    width = PANEL_BYTES // itemsize
    return -(-columns // width) * width * K


@inlined
def first_column(b, columns, part, parts):
    """Return the first of a thread's part of the columns of B, which are shared out in whole panels."""
    width = panel_width(b)
    panels = -(-columns // width)
    return min(columns, panels * part // parts * width)


@native
def pack_panels(code: Code, b: Values, k_stride, j_stride, K, columns, out: Values):
    """Copy K rows of B into panels, each ``(K, width)``; the last is filled with zeros."""
    width = panel_width(out)
    for j in range(0, columns, width):
        source, target = at(b, j * j_stride), at(out, j * K)
        if j + width > columns:
            for k in range(K):
                for c in range(width):
                    target[k * width + c] = source[k * k_stride + c * j_stride] if j + c < columns else 0
        elif j_stride == 1:
            for k in range(K):
                move_panel_row(at(source, k * k_stride), 1, at(target, k * width))
        else:
            for k in range(K):
                gather_panel_row(at(source, k * k_stride), j_stride, at(target, k * width))


@native
def pack_rows(code: Code, a: Values, k_stride, k0, K, group, rows, out: Values):
    """Copy columns of A, from row k0 on, into panels of TILE_ROWS; after each ``group`` rows one is left out."""
    for k in range(K):
        source = at(a, (k0 + k + (k0 + k) // group) * k_stride)
        for i in range(0, rows, TILE_ROWS):
            target = at(out, i * K + k * TILE_ROWS)
            if i + TILE_ROWS <= rows:
                move_tile_column(at(source, i), 1, target)
            else:
                for r in range(rows - i):
                    target[r] = source[i + r]


@native
def rows_by_panels(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, b_panel,
    init: Values, i_stride, c: Values, c_stride,
):  # fmt: skip
    """Compute ``rows`` × ``columns`` of C from packed panels of B that lie ``b_panel`` apart."""
    width = panel_width(c)
    j = 0
    if rows <= 3:
        together = 4 if rows == 1 else 2
        while j + together * width <= columns:
            panels, begin, target = at(b, j // width * b_panel), at(init, j), at(c, j)
            if rows == 1:
                one_row(code, rows, b_panel, K, a, a_stride, panels, begin, i_stride, target, c_stride)
            elif rows == 2:
                two_rows(code, rows, b_panel, K, a, a_stride, panels, begin, i_stride, target, c_stride)
            else:
                three_rows(code, rows, b_panel, K, a, a_stride, panels, begin, i_stride, target, c_stride)
            j += together * width
    blocks = -(-rows // TILE_ROWS)
    while j < columns:
        columns_here, of_b = min(width, columns - j), at(b, j // width * b_panel)
        end = 0
        for block in range(blocks):  # as equal as can be: full tiles and a thin one would be slower
            row, end = end, rows * (block + 1) // blocks
            begin, target = at(init, row * i_stride + j), at(c, row * c_stride + j)
            panel(
                code, end - row, columns_here, K, at(a, row * a_stride), a_stride, of_b,
                begin, i_stride, target, c_stride,
            )  # fmt: skip
        j += width


@native
def multiply(
    code: Code, rows, columns, K, a: Values, a_stride, b: Values, bk_stride, bj_stride,
    init: Values, i_stride, c: Values, c_stride, scratch: Values,
):  # fmt: skip
    """Compute ``C = init + A B``, A with rows along k; with 0 for ``i_stride`` every row begins with the same."""
    width = panel_width(c)
    for j in range(0, columns, COLUMN_BLOCK):
        columns_here = min(columns - j, COLUMN_BLOCK)
        for k in range(0, K, K_BLOCK):
            count = min(K - k, K_BLOCK)
            pack_panels(code, at(b, k * bk_stride + j * bj_stride), bk_stride, bj_stride, count, columns_here, scratch)
            # A few rows of C at a time: as long pieces of it are written as there are columns.
            blocks, end = -(-rows // TILE_ROWS), 0
            for block in range(blocks):
                row, end = end, rows * (block + 1) // blocks
                target = at(c, row * c_stride + j)
                begin, stride = (target, c_stride) if k > 0 else (at(init, row * i_stride + j), i_stride)
                rows_by_panels(
                    code, end - row, columns_here, count, at(a, row * a_stride + k), a_stride, scratch, width * count,
                    begin, stride, target, c_stride,
                )  # fmt: skip


@native
def multiply_transposed(
    code: Code, rows, columns, K, a: Values, a_stride, group, b: Values, b_stride,
    zeros: Values, c: Values, c_stride, scratch: Values,
):  # fmt: skip
    """Compute ``C = Aᵀ B``, A ``(K, rows)`` and B ``(K, columns)``.

    After each ``group`` rows of A one is left out: with T + 1 states a sequence, those before each of T steps.
    """
    width = panel_width(c)
    packed_a = at(scratch, K_BLOCK * COLUMN_BLOCK)
    for j in range(0, columns, COLUMN_BLOCK):
        columns_here = min(columns - j, COLUMN_BLOCK)
        for k in range(0, K, K_BLOCK):
            count = min(K - k, K_BLOCK)
            pack_panels(code, at(b, k * b_stride + j), b_stride, 1, count, columns_here, scratch)
            for i in range(0, rows, ROW_BLOCK):
                rows_here = min(rows - i, ROW_BLOCK)
                pack_rows(code, at(a, i), a_stride, k, count, group, rows_here, packed_a)
                for ii in range(0, rows_here, TILE_ROWS):
                    of_a, height = at(packed_a, ii * count), min(TILE_ROWS, rows_here - ii)
                    for jj in range(0, columns_here, width):
                        target = at(c, (i + ii) * c_stride + j + jj)
                        begin, stride = (target, c_stride) if k > 0 else (zeros, 0)
                        of_b, wide = at(scratch, jj * count), min(width, columns_here - jj)
                        packed_panel(code, height, wide, count, of_a, TILE_ROWS, of_b, begin, stride, target, c_stride)


@native
def sum_rows(code: Code, a: Values, rows, columns, stride, out: Values):
    """Sum the rows of A, in their order."""
    for j in range(columns):
        out[j] = 0
    for row in range(rows):
        of_row = at(a, row * stride)
        for j in range(columns):
            out[j] += of_row[j]
