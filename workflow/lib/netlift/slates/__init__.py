"""Slates before promotion: the scorer, the recipes, the catalog of items."""
