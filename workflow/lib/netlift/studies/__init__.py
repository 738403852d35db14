"""Many experiments: grids, sweeps, replicates, validation."""
