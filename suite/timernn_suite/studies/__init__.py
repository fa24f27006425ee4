"""Experiments on truncated back-propagation through time that run on any backend: what it costs, and what it loses."""
