from __future__ import annotations

import numpy as np
import pytest

from timernn.contract import DTypeError, ShapeError
from timernn_suite.lm.batching import Batches


def plain_positions(tokens, batch_size, time_size, iterations):
    """Return every block's positions by the textbook's loop, written from the definition and not from the class."""
    size = tokens - 1
    jump = size // batch_size
    time_index = 0
    blocks = []
    for _ in range(iterations):
        block = [[None] * time_size for _ in range(batch_size)]
        for t in range(time_size):
            for i in range(batch_size):
                block[i][t] = (i * jump + time_index) % size
            time_index += 1
        blocks.append(block)
    return blocks


def test_the_chapter_5_run_has_these_positions():
    batches = Batches(np.arange(1000, dtype=np.int32), batch_size=10, time_size=5)
    expected = plain_positions(1000, 10, 5, iterations=57)

    assert (batches.size, batches.jump, batches.iterations_per_epoch) == (999, 99, 19)
    for k, block in enumerate(expected):  # three epochs
        assert batches.positions(5 * k).tolist() == block


def test_the_chapter_5_run_has_these_rows():
    batches = Batches(np.arange(1000, dtype=np.int32), batch_size=10, time_size=5)

    first = batches.positions(0)
    assert first[0].tolist() == [0, 1, 2, 3, 4]
    assert first[1].tolist() == [99, 100, 101, 102, 103]
    assert first[9].tolist() == [891, 892, 893, 894, 895]
    assert batches.positions(5)[1].tolist() == [104, 105, 106, 107, 108]
    last = batches.positions(5 * 18)
    assert last[0].tolist() == [90, 91, 92, 93, 94]
    assert last[9].tolist() == [981, 982, 983, 984, 985]


def test_the_second_epoch_goes_on_where_the_first_ended():
    batches = Batches(np.arange(1000, dtype=np.int32), batch_size=10, time_size=5)

    assert batches.positions(5 * 19)[0].tolist() == [95, 96, 97, 98, 99]
    assert batches.positions(5 * 21)[9].tolist() == [996, 997, 998, 0, 1]


def test_a_target_is_the_next_token_even_where_a_stream_wraps():
    ids = np.arange(1000, dtype=np.int32) * 3
    xs, ts = Batches(ids, batch_size=10, time_size=5).at(5 * 21)

    assert xs[9].tolist() == [2988, 2991, 2994, 0, 3]
    assert ts[9].tolist() == [2991, 2994, 2997, 3, 6]


@pytest.mark.parametrize(("tokens", "N", "T"), [(8, 1, 7), (8, 7, 1), (23, 3, 4), (101, 2, 9)])
def test_any_sizes_follow_the_definition(tokens, N, T):
    batches = Batches(np.arange(tokens), N, T)

    blocks = plain_positions(tokens, N, T, iterations=40)
    assert [batches.positions(k * T).tolist() for k in range(40)] == blocks


def test_blocks_are_new_contiguous_int32():
    ids = np.arange(31, dtype=np.int64)
    batches = Batches(ids, 2, 3)
    xs, ts = batches.at(0)

    for block in (xs, ts):
        assert type(block) is np.ndarray
        assert block.dtype == np.int32
        assert block.flags.c_contiguous
        assert block.flags.owndata
    xs[:] = -1
    ts[:] = -1
    assert ids.tolist() == list(range(31))
    assert batches.at(0)[0].tolist() == [[0, 1, 2], [15, 16, 17]]


def test_a_memory_map_stays_on_disk(tmp_path):
    tokens = 1 << 36  # 256 GiB of holes: a copy in memory would fail
    path = tmp_path / "ids"
    try:
        with path.open("wb") as file:
            file.truncate(4 * tokens)
        ids = np.memmap(path, dtype=np.int32, mode="r")
    except OSError:
        pytest.skip("this file system has no sparse files of that size")

    xs, ts = Batches(ids, 20, 35).at(35 * 10**9)

    assert type(xs) is np.ndarray
    assert xs.shape == ts.shape == (20, 35)
    assert not xs.any()
    path.unlink()  # not left for tools that don't know of holes


@pytest.mark.parametrize("argument", ["batch_size", "time_size"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True, None])
def test_a_size_that_is_no_positive_integer_is_named(argument, value):
    sizes = {"batch_size": 2, "time_size": 3, argument: value}
    with pytest.raises(ShapeError, match=f"^{argument}: must be a positive integer, got {value!r}$"):
        Batches(np.arange(100), **sizes)


def test_a_numpy_integer_is_a_size():
    assert Batches(np.arange(100), np.int64(2), np.int32(3)).positions(0).shape == (2, 3)


def test_the_smallest_integers_of_numpy_are_counted_with_as_ones_that_never_overflow():
    batches = Batches(np.arange(1000), np.int8(100), np.int8(3))
    assert (batches.jump, batches.iterations_per_epoch) == (9, 3)
    with pytest.raises(ShapeError, match=r"; at least 301 are needed$"):
        Batches(np.arange(300), np.int8(100), np.int8(3))


@pytest.mark.parametrize("tokens", [0, 1, 50])
def test_a_text_too_short_for_one_block_is_refused_with_the_sizes(tokens):
    with pytest.raises(ShapeError, match=rf"^ids: {tokens} tokens .*batch_size=10 .*time_size=5; at least 51"):
        Batches(np.arange(tokens), 10, 5)


@pytest.mark.parametrize(("N", "T"), [(10, 5), (3, 5), (1, 1)])
def test_a_text_just_long_enough_for_one_block_is_taken(N, T):
    assert Batches(np.arange(N * T + 1), N, T).iterations_per_epoch == 1
    with pytest.raises(ShapeError, match=f"; at least {N * T + 1} are needed$"):
        Batches(np.arange(N * T), N, T)


@pytest.mark.parametrize("ids", [np.arange(9.0), [1, 2, 3], np.array(["a"] * 9)])
def test_ids_that_are_no_integer_array_are_refused(ids):
    with pytest.raises(DTypeError, match=r"^ids: must be an integer array"):
        Batches(ids, 1, 1)


@pytest.mark.parametrize("ids", [np.arange(9).reshape(3, 3), np.array(9)])
def test_ids_of_another_rank_are_refused(ids):
    with pytest.raises(ShapeError) as caught:
        Batches(ids, 1, 1)
    assert str(caught.value) == f"ids: shape must be (tokens,), got {ids.shape}"


@pytest.mark.parametrize("time_index", [-5, -1, 1, 7])
def test_a_count_of_blocks_is_not_taken_for_a_time_index(time_index):
    with pytest.raises(ValueError, match=r"^time_index: counts tokens"):
        Batches(np.arange(100), 2, 5).at(time_index)


def test_no_block_lies_before_the_first():
    with pytest.raises(ValueError, match=r"^time_index: .* got -1$"):
        Batches(np.arange(100), 2, 1).at(-1)  # a multiple of T, like every integer
