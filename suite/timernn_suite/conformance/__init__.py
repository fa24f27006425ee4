"""The conformance suite: pytest files that run against any backend."""
