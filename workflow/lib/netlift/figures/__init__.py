"""Figures: each function takes tables and returns a matplotlib Figure; nothing is saved here.

Import a figure from the module that holds it, ``from netlift.figures.ledger import
decomposition``, and save it with ``netlift.figures.saving.save_figure``.
"""
