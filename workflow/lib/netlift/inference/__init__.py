"""Estimates from arrays: arms, clustered errors, randomization, bootstrap, power."""
