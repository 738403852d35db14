"""Arrays in, estimates out: arms, clustered errors, randomization, bootstrap, power."""
