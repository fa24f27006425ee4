"""What the Numba backend compiles: register tiles, products made of them, and the kernels of the layers."""
