"""Netlift: when we promote an item, do we create engagement, or do we only move it?"""

__version__ = "0.1.0"
