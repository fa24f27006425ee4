"""The text that the workload reads: token ids in three splits, with where they came from and how they are proved."""

from timernn_suite.corpus.load import load_corpus
from timernn_suite.corpus.model import Corpus, CorpusError, Vocabulary

__all__ = ["Corpus", "CorpusError", "Vocabulary", "load_corpus"]
