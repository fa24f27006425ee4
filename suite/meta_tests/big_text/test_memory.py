"""Training reads a corpus as far as it needs: the memory it takes does not grow with the text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timernn_suite.corpus import Vocabulary
from timernn_suite.corpus.added import place_of
from timernn_suite.corpus.store import build_entry

TYPES = 500
MEBIBYTE = 1 << 20
#: Ids of two bytes each: even one plain copy of the large text is 10 MB more than may be taken.
SMALL, LARGE, MOST = 40_000, 20_000_000, 30 * MEBIBYTE

TRAINING = """
import re, sys
from pathlib import Path
from timernn import load_backend
from timernn_suite.corpus import load_corpus
from timernn_suite.lm.recipes import load_recipe
from timernn_suite.lm.trainer import Trainer

corpus = load_corpus(sys.argv[1])
trainer = Trainer(load_backend("numpy"), load_recipe("ptb-small").overridden(corpus=sys.argv[1]), corpus)
for _ in range(50):
    trainer.step()
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def write_corpus(name, tokens):
    """Write a corpus as `timernn data add` does, without the text."""
    draw = np.random.default_rng(0)

    def write(writer):
        for split, size in (("train", tokens), ("valid", 1000), ("test", 1000)):
            with writer.ids(split, dtype=np.uint16) as append:
                for start in range(0, size, MEBIBYTE):
                    append(draw.integers(0, TYPES, min(MEBIBYTE, size - start), dtype=np.uint16))
        words = ("<unk>", "<eos>", *(f"w{number}" for number in range(TYPES - 2)))
        writer.finish(Vocabulary(words), dict.fromkeys(("train", "valid", "test"), ""), {"name": name, "source": name})

    build_entry(place_of(name), write)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process' peak memory is read from /proc")
def test_training_on_a_large_corpus_takes_the_memory_of_a_small_one(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    peaks = []
    for name, tokens in (("small", SMALL), ("large", LARGE)):
        write_corpus(name, tokens)
        done = subprocess.run([sys.executable, "-c", TRAINING, name], capture_output=True, encoding="utf-8", check=True)
        peaks.append(int(done.stdout) * 1024)
    assert peaks[1] - peaks[0] < MOST
