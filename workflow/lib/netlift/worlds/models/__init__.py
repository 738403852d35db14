"""The competition models, one module each: ``PARAMETERS`` and a class ``Model``.

A module in this folder is a model; its file name is its name in the config.
"""
