"""Faults of the CUDA sources, each one change of text, and what a small run says to each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kernel_probes import PROBES, Complaint, complaint

from timernn.cupy_kernels import modules

_FORWARD_WAIT = "wait_for_the_other_columns(arrivals, (unsigned)(t + 1) * gridDim.x);"
_BACKWARD_WAIT = "wait_for_the_other_columns(arrivals, (unsigned)(T - t) * gridDim.x);"
_DH_PREV = """if (t < 0) {
                    dh_prev[(n + first) * H + share.column] = dh;
                } else {"""


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    what : str
        What is wrong.
    file : str
        Which source, without its suffix.
    old, new : str
        The text as it is, and as the fault has it.
    probe : str
        Which of `PROBES` must complain.
    killed_by : str
        How it must: ``"values"``, ``"orders"``, or the name of what the executor raises.
    count : int
        How often ``old`` occurs; each is replaced.
    """

    what: str
    file: str
    old: str
    new: str
    probe: str
    killed_by: str
    count: int = 1


MUTANTS = {
    # -- barriers ----------------------------------------------------------------------------------
    "barrier-after-first-load": Mutant(
        "no barrier between loading the state before the block and using it",
        "recurrent", "next[at] = real(0);\n    }\n    __syncthreads();", "next[at] = real(0);\n    }",
        "alone", "values",
    ),
    "barrier-between-steps-forward": Mutant(
        "a warp that is alone with its block doesn't wait for the others' columns",
        "recurrent", "if (t + 1 == T) break;\n        if (ALONE) {\n            __syncthreads();",
        "if (t + 1 == T) break;\n        if (ALONE) {", "alone", "values",
    ),
    "barrier-between-steps-backward": Mutant(
        "the same on the way back",
        "recurrent", "if (t < 0) break;\n        if (ALONE) {\n            __syncthreads();",
        "if (t < 0) break;\n        if (ALONE) {", "alone", "values",
    ),
    "barrier-in-a-branch": Mutant(
        "a barrier that only threads with a sum of their own come to",
        "recurrent", "if (ALONE) {\n            __syncthreads();",
        "if (ALONE) {\n            if (share.finishes) __syncthreads();", "alone", "BarrierDivergence", 2,
    ),
    "barrier-after-later-loads": Mutant(
        "no barrier between loading the state of the step before and using it",
        "recurrent", "share, rows, H);\n            __syncthreads();", "share, rows, H);", "shared out", "values", 2,
    ),
    "grid-barrier-forward": Mutant(
        "blocks don't wait for each other's columns",
        "recurrent", _FORWARD_WAIT, "__syncthreads();", "shared out", "values",
    ),
    "grid-barrier-backward": Mutant(
        "the same on the way back",
        "recurrent", _BACKWARD_WAIT, "__syncthreads();", "shared out", "values",
    ),
    "grid-barrier-halved": Mutant(
        "blocks wait for each other at every other step",
        "recurrent", _FORWARD_WAIT,
        "if (t % 2 == 0) wait_for_the_other_columns(arrivals, (unsigned)(t / 2 + 1) * gridDim.x);\n"
        "            else __syncthreads();", "shared out", "values",
    ),
    "grid-barrier-others-run-ahead": Mutant(
        "only the first thread of a block waits for the other blocks",
        "recurrent", "        __threadfence();\n    }\n    __syncthreads();\n}", "        __threadfence();\n    }\n}",
        "shared out", "values",
    ),
    "arrivals-of-one-block": Mutant(
        "as many arrivals are waited for as there were steps, whatever the number of blocks",
        "recurrent", "(unsigned)(t + 1) * gridDim.x", "(unsigned)(t + 1)", "shared out", "values",
    ),
    "arrivals-of-one-block-too-many": Mutant(
        "an arrival is waited for that never comes",
        "recurrent", "(unsigned)(T - t) * gridDim.x", "(unsigned)(T - t) * (gridDim.x + 1)", "shared out", "Deadlock",
    ),
    "arrivals-of-all-rows": Mutant(
        "all row groups count their arrivals together",
        "recurrent", "arrivals + blockIdx.y * ARRIVALS_APART", "arrivals", "shared out", "values",
    ),
    # -- shares of rows and columns ----------------------------------------------------------------
    "rows-beyond-the-batch": Mutant(
        "the last row group takes rows that aren't there",
        "recurrent", "share.rows = min(rows, N - share.first_row);", "share.rows = rows;", "alone", "OutOfBounds",
    ),
    "columns-beyond-the-state": Mutant(
        "the last column group takes columns that aren't there",
        "recurrent", "share.columns_to = min(first_column + columns, H);",
        "share.columns_to = first_column + columns;", "shared out", "OutOfBounds",
    ),
    "padding-not-zeroed": Mutant(
        "behind the last unit and row, shared memory keeps what was in it",
        "recurrent", "state[at] = row < share.rows && k < H ? __ldcg(from + row * row_stride + k) : real(0);",
        "if (row < share.rows && k < H) state[at] = __ldcg(from + row * row_stride + k);", "shared out", "values",
    ),
    "second-state-not-zeroed": Mutant(
        "the padding of every other step's state keeps what was in it",
        "recurrent", "next[at] = real(0);", ";", "alone", "values",
    ),
    # -- what is computed --------------------------------------------------------------------------
    "weights-transposed-forward": Mutant(
        "h Wh^T instead of h Wh",
        "recurrent", "load_weights<false>", "load_weights<true>", "alone", "values",
    ),
    "weights-transposed-backward": Mutant(
        "dz Wh instead of dz Wh^T",
        "recurrent", "load_weights<true>", "load_weights<false>", "shared out", "values",
    ),
    "slope-forgotten": Mutant(
        "the gradient doesn't go through tanh",
        "recurrent", "(gradient + dh) * (real(1) - h * h)", "(gradient + dh)", "shared out", "values",
    ),
    "slope-forgotten-in-a-step": Mutant(
        "the same where cuBLAS makes the products",
        "steps", "real(1) - h[place] * h[place]", "real(1)", "stepwise", "values",
    ),
    "inputs-of-the-step-before": Mutant(
        "the next step's inputs are read ahead from this one's place",
        "recurrent", "ahead = z[at_first + H];", "ahead = z[at_first];", "shared out", "values",
    ),
    "dh-of-the-second-step": Mutant(
        "the gradient of the state before the block comes from a step too late",
        "recurrent", _DH_PREV,
        "if (t == 0) dh_prev[(n + first) * H + share.column] = dh;\n                if (t >= 0) {", "alone", "values",
    ),
    "last-state-not-written": Mutant(
        "what the next block starts from is whatever was there",
        "recurrent", "last[(n + first) * H + share.column] = h;", ";", "shared out", "values",
    ),
    "last-state-of-the-first-rows": Mutant(
        "all rounds of rows write the state that the next block starts from to the first round's place",
        "recurrent", "last[(n + first) * H", "last[n * H", "alone", "values",
    ),
    "rows-not-walked-forward": Mutant(
        "all rounds of rows write their states to the first round's place",
        "recurrent", "at += apart;\n            beside", "beside", "alone", "values",
    ),
    "rows-not-walked-into-the-products": Mutant(
        "all rounds of rows put their states beside the first round's inputs",
        "recurrent", "beside += apart_joined;", "", "shared out", "values",
    ),
    "rows-not-read-ahead-forward": Mutant(
        "the inputs of every round after the first are the second's",
        "recurrent", "ahead = z[at + apart];", "ahead = z[at_first + apart];", "alone", "values",
    ),
    "rows-not-read-ahead-backward": Mutant(
        "the gradients and states of every round after the first are the second's",
        "recurrent", "more_rows ? at + apart", "more_rows ? at_first + apart", "shared out", "values",
    ),
    "last-state-not-kept": Mutant(
        "the same where cuBLAS makes the products",
        "steps", "last[row / T * H + j] = h;", ";", "stepwise", "values",
    ),
    "states-over-the-inputs": Mutant(
        "the state of the step before is put where the inputs are",
        "recurrent", "joined_width + h_at + share.column", "joined_width + share.column", "alone", "values",
    ),
    "rows-of-a-step-side-by-side": Mutant(
        "one step's rows are taken to lie behind each other",
        "steps", "real* value = z + n * row_stride + j;", "real* value = z + n * H + j;", "stepwise", "values",
    ),
    "no-one-for-the-bias": Mutant(
        "the column of ones, whose gradient is the bias's, is zero",
        "steps", "column == D + H ? real(1) : real(0)", "real(0)", "affine", "values",
    ),
    "bias-sum-misses-the-first-row": Mutant(
        "a single step's bias gradient leaves out the first of the batch",
        "steps", "for (long long n = 0; n < N; ++n) sum", "for (long long n = 1; n < N; ++n) sum", "step", "values",
    ),
    # -- embedding and loss ------------------------------------------------------------------------
    "atomic-embedding-gradient": Mutant(
        "each occurrence of a word adds its gradient whenever its turn comes",
        "timewise", "if (earlier) return;",
        "for (long long d = threadIdx.x; d < D; d += blockDim.x) atomicAdd(dW + id * D + d, dxs[p * D + d]);\n"
        "    return;", "embedding", "orders",
    ),
    "repeated-words-skipped": Mutant(
        "only a word's first occurrence has a gradient",
        "timewise", "if (same[i]) sum", "if (same[i] && q0 + i == p) sum", "embedding", "values",
    ),
    "embedding-found-before-looked-for": Mutant(
        "a word's occurrences are read before all threads have looked for them",
        "timewise", "if (__syncthreads_or(found) && d < D)", "if (d < D)", "embedding", "values",
    ),
    "maximum-forgotten": Mutant(
        "softmax takes exponentials of the scores as they are",
        "timewise", "const real top = block_max(largest, scratch);", "const real top = real(0);", "loss", "values",
    ),
    "mean-over-all-labels": Mutant(
        "labels that are ignored count in the mean",
        "timewise", "counted += labels[p] != ignored;", "counted += 1;", "loss", "values",
    ),
    "loss-gradient-not-scaled": Mutant(
        "the gradient of the loss itself is taken for 1",
        "timewise", "real(dloss / count[0])", "real(1 / count[0])", "loss", "values",
    ),
    "looked-for-before-cleared": Mutant(
        "whether a word stood earlier is noted before the note is cleared",
        "timewise", "if (threadIdx.x == 0) earlier = 0;\n    __syncthreads();", "if (threadIdx.x == 0) earlier = 0;",
        "embedding", "values",
    ),
    "largest-score-overwritten": Mutant(
        "the next sum of a block begins before all threads have read the one before",
        "timewise", "T* scratch) {\n    __syncthreads();", "T* scratch) {", "loss", "values",
    ),
    # -- clipping and optimisers -------------------------------------------------------------------
    "clipping-inverted": Mutant(
        "long gradients are made longer",
        "updates", "max_norm / norm[0] : 1.0", "norm[0] / max_norm : 1.0", "clipping", "values",
    ),
    "short-gradients-made-longer": Mutant(
        "gradients get the longest norm, whatever theirs is",
        "updates", "norm[0] > max_norm ? max_norm", "norm[0] > 0 ? max_norm", "nothing to clip", "values",
    ),
    "clipping-sums-without-a-barrier": Mutant(
        "partial sums are added before all threads have put theirs down",
        "updates", "scratch[threadIdx.x] = value;\n    __syncthreads();", "scratch[threadIdx.x] = value;",
        "clipping", "values",
    ),
    "clipping-of-the-first-stretch": Mutant(
        "of a long gradient only as much is scaled as the grid has threads",
        "updates", "elements[at] *= factor;", "elements[at] *= factor; return;", "clipping", "values",
    ),
    "second-moment-of-the-gradient": Mutant(
        "Adam's second moment is a mean of the gradient, not of its square",
        "updates", "real(1 - beta2) * g * g", "real(1 - beta2) * g", "adam", "values",
    ),
    "up-the-gradient": Mutant(
        "descent goes the wrong way",
        "updates", "param[at] -= real(learning_rate) * grad[at];", "param[at] += real(learning_rate) * grad[at];",
        "sgd", "values",
    ),
}  # fmt: skip

#: Faults that no run on the executor shows, for which something else has to answer.
UNSEEN = {
    "fences-before-and-after-arrivals": Mutant(
        "the executor's memory is always seen in order, a device's is not",
        "recurrent", "__threadfence();", "", "shared out", "", 2,
    ),
    "arrival-before-the-last-warp-wrote": Mutant(
        "the executor lets a block's threads go on before it looks at those that poll",
        "recurrent", "unsigned all) {\n    __syncthreads();", "unsigned all) {", "shared out", "",
    ),
}  # fmt: skip


@contextmanager
def built_in(mutant: Mutant) -> Iterator[None]:
    """Let the backend compile its kernels with a fault.

    Raises
    ------
    ValueError
        If the text to change doesn't occur as often as it should.
    """
    original = modules.source
    found = original(mutant.file).count(mutant.old)
    if found != mutant.count:
        raise ValueError(f"{mutant.old!r} occurs {found} times in {mutant.file}.cu, not {mutant.count}")

    def changed(name: str) -> str:
        text = original(name)
        return text.replace(mutant.old, mutant.new) if name == mutant.file else text

    modules.source = changed
    _forget_kernels()
    try:
        yield
    finally:
        modules.source = original
        _forget_kernels()


def _forget_kernels() -> None:
    for cache in (modules._kernel, modules._module, modules._persistent):
        cache.cache_clear()


def judge(mutant: Mutant) -> Complaint | None:
    """Return what the run that should find a fault says to it; None if it survives."""
    with built_in(mutant):
        return complaint(PROBES[mutant.probe])


def judge_all() -> dict[str, dict[str, object]]:
    """Return what became of every mutant, in types that JSON has."""
    return {name: report(mutant) for name, mutant in MUTANTS.items()}


def report(mutant: Mutant) -> dict[str, object]:
    """Judge one mutant, and say what became of it in types that JSON has."""
    begin = time.perf_counter()
    found = judge(mutant)
    return {
        "what": mutant.what,
        "file": f"{mutant.file}.cu",
        "probe": mutant.probe,
        "killed_by": found.by if found else None,
        "expected": mutant.killed_by,
        "detail": found.detail if found else "survived",
        "seconds": round(time.perf_counter() - begin, 2),
    }
