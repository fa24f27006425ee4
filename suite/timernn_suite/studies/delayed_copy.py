"""A seeded text in which a symbol comes back after a fixed delay: what a shorter gradient can't learn."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timernn.contract import Backend
from timernn_suite.corpus.markov_tables import uniforms
from timernn_suite.corpus.model import EOS, SPLITS, Corpus, Ids, Vocabulary
from timernn_suite.lm.perplexity import nll_of_scores
from timernn_suite.lm.rnnlm import Rnnlm

#: Ids: ``<eos>`` never comes, but every vocabulary has one; the marker is followed by the copy.
MARKER = 1
_FIRST_FILLER = 2
#: Tokens in each split.
TOKENS = {"train": 100_000, "valid": 12_000, "test": 12_000}


@dataclass(frozen=True)
class DelayedCopy:
    """Episodes ``cue, filler × (delay − 2), marker, copy``, with fillers of a random number in between.

    The copy is the cue again. After a copy, and after every filler outside an episode, a fair coin decides between
    another filler and the next cue. Cues and fillers are drawn evenly from alphabets of their own.

    A model reads the cue at one step and predicts the copy ``delay − 1`` steps later, when it reads the marker. A
    block of back-propagation must have at least ``delay`` steps to hold both; in a shorter one no gradient of the
    copy's loss reaches the step that reads the cue. What a state that was never trained to hold the cue still shows
    of it can be read off even then, but the fillers wash it out.

    Parameters
    ----------
    delay : int
        How many tokens after its cue a copy stands; at least 2.
    cues, fillers : int
        How many different ones there are; at least 2 cues and 1 filler.
    seed : int
        Decides the text; the same on every machine.

    Raises
    ------
    ValueError
        If a number is less than that.

    Notes
    -----
    After the delayed recall tasks of S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation
    9(8), 1997.
    """

    delay: int = 10
    cues: int = 4
    fillers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (("delay", 2), ("cues", 2), ("fillers", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: must be at least {least}, got {getattr(self, name)}")

    @property
    def entropy_rate(self) -> float:
        """Nats a token that no model can beat.

        An episode with the gap before it has ``delay + 2`` tokens in the mean: the cue (ln cues), ``delay − 1``
        fillers, one of them in the gap (ln fillers each), two throws of the coin (ln 2 each), and marker and copy,
        which are certain.
        """
        nats = math.log(self.cues) + (self.delay - 1) * math.log(self.fillers) + 2 * math.log(2)
        return nats / (self.delay + 2)

    @property
    def blind_copy_loss(self) -> float:
        """Nats of a copy for a model that knows nothing of the cue: ln cues."""
        return math.log(self.cues)

    def sample(self, tokens: int, purpose: str) -> Ids:
        """Draw a text of so many tokens for ``"train"``, ``"valid"`` or ``"test"``, read-only int32 ids.

        A shorter text is the beginning of a longer one.
        """
        first_cue = _FIRST_FILLER + self.fillers
        ids = np.empty(tokens, dtype=np.int32)
        cue = since = 0  # since: the place in the episode, counted from the cue; 0 outside
        for place, draw in enumerate(uniforms(self.seed, purpose, tokens).tolist()):
            if since == 0 and draw < 0.5:
                cue = first_cue + int(2 * draw * self.cues)
                ids[place], since = cue, 1
            elif since == 0:
                ids[place] = _FIRST_FILLER + int((2 * draw - 1) * self.fillers)
            elif since < self.delay - 1:
                ids[place] = _FIRST_FILLER + int(draw * self.fillers)
                since += 1
            elif since == self.delay - 1:
                ids[place], since = MARKER, self.delay
            else:
                ids[place], since = cue, 0
        ids.setflags(write=False)
        return ids

    def corpus(self) -> Corpus:
        """Return it as a corpus of `TOKENS`."""
        words = [EOS, "?", *(f"f{n}" for n in range(self.fillers)), *(f"c{n}" for n in range(self.cues))]
        splits = {split: self.sample(TOKENS[split], split) for split in SPLITS}
        return Corpus(
            name=f"copy-after-{self.delay}",
            source=f"delayed copy: delay {self.delay}, {self.cues} cues, {self.fillers} fillers, seed {self.seed}",
            vocabulary=Vocabulary(tuple(words)),
            train=splits["train"],
            valid=splits["valid"],
            test=splits["test"],
            sha256={split: hashlib.sha256(ids.astype("<i4").tobytes()).hexdigest() for split, ids in splits.items()},
            entropy_rate=self.entropy_rate,
        )


def copy_loss(backend: Backend, model: Rnnlm, ids: NDArray[Any]) -> float:
    """Return a model's mean loss in nats at the copies of a text, those tokens that a marker stands before."""
    scores = backend.to_numpy(model.for_evaluation().predict(ids[None, :-1]))[0]
    nll = nll_of_scores(scores, ids[1:])
    return float(nll[ids[:-1] == MARKER].mean())
