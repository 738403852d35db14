"""Outcome models, AIPW, effect models and policies."""
