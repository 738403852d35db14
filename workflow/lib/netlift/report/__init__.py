"""The page: tables gathered into plain records, put into words and units, and written as HTML.

``gathering`` reads the files that exist, ``verdict``, ``assumptions`` and ``layout`` put them into
words, ``pages`` writes the page through the templates in ``workflow/report``. ``decision`` writes
the same for programs, ``changes`` compares two decisions.
"""
