"""Logs of a team's own experiment: read, checked and summed by DuckDB, even if larger than memory.

``entries`` parses a config entry, ``codes`` lists the problems of logs, ``source`` opens files,
``rows`` maps columns to typed rows, ``slates`` sums them, ``contract`` checks them, ``items``
writes the rows that later stages read.
"""
