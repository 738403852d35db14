"""Logs of a team's own experiment: read, checked and summed by DuckDB, out of memory.

``entries`` is what a config entry says, ``codes`` the problems that a log can have, ``source``
opens the files, ``rows`` maps columns to typed rows, ``slates`` sums them, ``contract`` judges,
``items`` writes the rows that later stages read.
"""
