"""Sweeps: a grid of recipes, backends and seeds, trained cell by cell on a cluster of workers."""
