"""Parts that architectures share: layers, optimisers, precision, cost, sums, grids."""
