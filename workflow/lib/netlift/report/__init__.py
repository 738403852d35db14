"""The page: tables gathered into plain records, put into words and units, and written as HTML.

``sources`` names the files and the rules that make them, ``gathering`` reads what is there,
``verdict``, ``assumptions`` and ``layout`` say it, ``pages`` writes it through the templates in
``workflow/report``. ``decision`` writes the same for programs, ``changes`` compares two of them.
"""
