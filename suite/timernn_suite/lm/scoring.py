"""The probability of a sentence, word by word, by the chain rule P(w_1 … w_m) = ∏ P(w_t | w_<t)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timernn_suite.corpus import Vocabulary
from timernn_suite.lm.perplexity import nll_of_scores, perplexity_of
from timernn_suite.lm.rnnlm import Rnnlm


class ScoringError(ValueError):
    """A sentence can't be scored."""


@dataclass(frozen=True)
class SentenceScore:
    """A sentence's words, each with its probability given all words before it.

    Attributes
    ----------
    words : sequence of str
        The words scored, ``<eos>`` last.
    log_probabilities : sequence of float
        log P(w_t | w_<t) in nats, one a word.
    unknown : sequence of str
        Words that the vocabulary doesn't have, scored as ``<unk>``.
    """

    words: Sequence[str]
    log_probabilities: Sequence[float]
    unknown: Sequence[str]

    @property
    def log_probability(self) -> float:
        """The joint log-probability in nats: by the chain rule, the sum."""
        return math.fsum(self.log_probabilities)

    @property
    def perplexity(self) -> float:
        """The exponential of the mean loss a word."""
        return perplexity_of(-self.log_probability / len(self.words))

    def as_record(self) -> dict[str, Any]:
        """Return a JSON-ready record."""
        return {
            "words": [
                {"word": word, "probability": math.exp(value), "log_probability": value}
                for word, value in zip(self.words, self.log_probabilities, strict=True)
            ],
            "log_probability": self.log_probability,
            "perplexity": self.perplexity,
            "unknown": list(self.unknown),
        }


def score(model: Rnnlm, vocabulary: Vocabulary, words: Sequence[str]) -> SentenceScore:
    """Score a sentence as the beginning of a text: from a zero state after ``<eos>``, and with ``<eos>`` at its end.

    Parameters
    ----------
    model : Rnnlm
        Its state is left as it was.
    vocabulary : Vocabulary
        Of the text that the model was trained on.
    words : sequence of str
        The sentence without ``<eos>``.

    Raises
    ------
    ScoringError
        If there is no word, or one is unknown and the vocabulary has no ``<unk>``.
    """
    if not words:
        raise ScoringError("sentence: must have at least one word, got none")
    unknown = [word for word in dict.fromkeys(words) if word not in vocabulary.index]
    if unknown and vocabulary.unk_id is None:
        raise ScoringError(
            f"sentence: this model knows no {', '.join(unknown)}, and has no <unk> to put in their place"
        )
    ids, _ = vocabulary.encode_words(list(words))
    targets = np.append(ids, vocabulary.eos_id)
    inputs = np.concatenate([[vocabulary.eos_id], ids]).astype(np.int32)
    scores = np.asarray(model.backend.to_numpy(model.for_evaluation().predict(inputs[None, :])))[0]
    log_probabilities = [-float(nll) for nll in nll_of_scores(scores, targets)]
    return SentenceScore([*words, vocabulary.words[vocabulary.eos_id]], log_probabilities, unknown)
