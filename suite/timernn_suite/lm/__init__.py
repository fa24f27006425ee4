"""The language-model workload: batches, the model, its training and its perplexity."""
