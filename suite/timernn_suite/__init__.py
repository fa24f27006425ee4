"""The yardstick, the same for every backend: conformance suite, language-model workload, speed measurement."""
