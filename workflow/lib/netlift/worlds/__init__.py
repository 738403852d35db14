"""Competition models: what every model has in common, and the simulation of clicks."""
