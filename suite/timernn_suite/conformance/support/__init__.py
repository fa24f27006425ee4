"""What the tests are written with: the oracle, the tolerance, the cases, and how a backend is talked to."""
