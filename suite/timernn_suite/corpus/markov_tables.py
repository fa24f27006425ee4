"""What the seeded Markov source is made of: random numbers, words, class transitions and their stationary state."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from timernn_suite.corpus.model import EOS

Floats = NDArray[np.float64]

#: Each purpose has a stream of random numbers of its own, so that a change to one leaves the others' bits alone.
PURPOSES = ("structure", "words", "train", "valid", "test")

#: How sharply the previous two classes decide the next. At 3 the likeliest class has a probability of about 0.8.
_SHARPNESS = 3.0

#: The share of the uniform distribution in every row: makes every legal class reachable, and no loss absurd.
_UNIFORM_SHARE = 0.02

#: How often the classes' frequencies are evened out; after 40 rounds they are equal to within a few per cent.
_ROUNDS = 40

_SYLLABLES = tuple(consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou")


def uniforms(seed: int, purpose: str, *shape: int) -> Floats:
    """Return random numbers in [0, 1), the same on every machine and with every NumPy.

    Made from the raw bits of PCG64: NumPy promises those for good (NEP 19), and not what `Generator` makes of them.

    Raises
    ------
    ValueError
        If the purpose is none of `PURPOSES`.
    """
    if purpose not in PURPOSES:
        raise ValueError(f"purpose: must be one of {', '.join(PURPOSES)}, got {purpose!r}")
    sequence = np.random.SeedSequence(seed).spawn(len(PURPOSES))[PURPOSES.index(purpose)]
    bits = np.random.PCG64(sequence).random_raw(shape)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def made_up_words(seed: int, types: int) -> tuple[str, ...]:
    """Return ``<eos>`` and then ``types - 1`` distinct pronounceable words, such as ``kiro``."""
    syllables = 2
    while len(_SYLLABLES) ** syllables < 4 * types:  # few draws are then in vain
        syllables += 1
    # Twice as many draws as words: at most a quarter of all words is taken, so running out is out of the question.
    places = (uniforms(seed, "words", 2 * types, syllables) * len(_SYLLABLES)).astype(int).tolist()
    words = dict.fromkeys("".join(_SYLLABLES[place] for place in row) for row in places)
    return (EOS, *itertools.islice(words, types - 1))


def class_sizes(types: int, classes: int) -> list[int]:
    """Return how many types each class has: class 0 is ``<eos>`` alone, the others share the rest evenly."""
    share, left = divmod(types - 1, classes - 1)
    return [1] + [share + (c < left) for c in range(classes - 1)]


def zipf(size: int) -> Floats:
    """Return the probabilities of ``size`` words by rank, the r-th proportional to 1/r."""
    weights = 1.0 / np.arange(1, size + 1)
    return np.asarray(weights / weights.sum())


def class_transitions(seed: int, classes: int, sentence_length: float) -> Floats:
    """Return P(next | before last, last), (C, C, C), indexed in that order; ``<eos>``, class 0, never follows itself.

    A class' score is the sum of what each of the two classes before says for it, drawn once, plus a bias of its
    own. The biases are set so that a sentence has ``sentence_length`` words in the mean and all other classes are
    about equally frequent: a table without them dwells in a few classes, where there is little to predict.
    """
    draws = uniforms(seed, "structure", 2, classes, classes) + 2.0**-54  # 0 has no logarithm
    before_last, last = -_SHARPNESS * np.log(-np.log(draws))  # Gumbel: one or two successors stand out
    scores = before_last[:, None, :] + last[None, :, :]
    legal = np.ones((classes, classes))
    legal[0, 0] = 0.0
    floor = _UNIFORM_SHARE * legal / legal.sum(axis=1, keepdims=True)
    wanted = np.full(classes, sentence_length / (sentence_length + 1) / (classes - 1))
    wanted[0] = 1 / (sentence_length + 1)

    def table(bias: Floats) -> Floats:
        return np.asarray(_softmax(scores + bias, legal) * (1 - _UNIFORM_SHARE) + floor)

    bias = np.zeros(classes)
    for _ in range(_ROUNDS):
        bias += 0.5 * np.log(wanted / stationary_pairs(table(bias)).sum(axis=0))  # a whole step would overshoot
    return table(bias)


def stationary_pairs(transitions: Floats) -> Floats:
    """Return the stationary distribution (C, C) of two successive classes under ``transitions`` (C, C, C).

    Solves (I - Pᵀ + 1 1ᵀ) π = 1, which for π P = π and Σ π = 1 holds exactly and is regular where π is unique.
    The pair (``<eos>``, ``<eos>``) can start a text and never comes back: its probability is 0.
    """
    classes = len(transitions)
    pairs = np.zeros((classes, classes, classes, classes))
    every = np.arange(classes)
    pairs[:, every, every, :] = transitions
    matrix = pairs.reshape(classes**2, classes**2)
    solution = np.linalg.solve(np.eye(classes**2) - matrix.T + 1.0, np.ones(classes**2))
    solution[0] = 0.0  # comes out as ±1e-18
    return np.asarray(solution.reshape(classes, classes))


def conditional_entropy(joint: Floats) -> float:
    """Return the entropy in nats of the last axis given all the others, of a joint distribution."""
    given = np.broadcast_to(joint.sum(axis=-1, keepdims=True), joint.shape)
    some = joint > 0  # 0 log 0 is 0
    return float(-np.sum(joint[some] * np.log(joint[some] / given[some])))


def _softmax(scores: Floats, legal: Floats) -> Floats:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True)) * legal
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
