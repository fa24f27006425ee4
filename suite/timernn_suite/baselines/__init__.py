"""Language models to compare a recurrent one with, all by the protocol ``ptb-c1``: n-grams, a cache, CBOW, mixtures."""
