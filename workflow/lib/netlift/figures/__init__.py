"""Figures: each function takes tables and returns a matplotlib Figure; nothing is saved here.

Each is in the module of its subject, as ``decomposition`` in ``netlift.figures.ledger``; save it
with ``netlift.figures.saving.save_figure``.
"""
