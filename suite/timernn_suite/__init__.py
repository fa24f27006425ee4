"""The yardstick: the conformance suite, the language-model workload and the speed measurement, the same for every backend."""
