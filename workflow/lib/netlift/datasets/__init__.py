"""Data sets: from wherever ratings come, to the same two tables.

``ratings.parquet`` has one row per rating (``user_id``, ``item_id``, ``rating``, ``timestamp``),
``movies.parquet`` one row per movie (``item_id``, ``title``, ``year``, ``genres``). Ratings come
from an installed package, a published archive, a user's own files, or a simulation; each is one
*kind* of entry in ``config/datasets.yaml``.

- `entries`: what an entry of the config says; the only module that the Snakefile needs.
- `importing`: `import_dataset` and `write_dataset`, the way in.
- `package`, `archive`, `synthetic`: one module per kind (a `folder` is read by the next ones).
- `members`, `movielens_csv`, `diagnosis`: CSV files in zips and folders, streamed and checked.
- `checks`: what every rating must satisfy, whatever its kind.
- `download`: one file from the web, resumed where it broke off.
- `movielens_files`: the way back: tables written as files in the MovieLens format.

This package imports nothing by itself, so the Snakefile can use `entries` at no cost.
"""
