"""Text of any size into a corpus: read as a stream, counted and encoded in memory that doesn't grow with it."""
