"""Data sets: import ratings from any source into the same two tables.

``ratings.parquet`` has one row per rating (``user_id``, ``item_id``, ``rating``, ``timestamp``),
``movies.parquet`` one row per movie (``item_id``, ``title``, ``year``, ``genres``). Ratings come
from an installed package, a published archive, a user's own files, or a simulation; each is one
*kind* of entry in ``config/datasets.yaml``.

- `entries`: reads an entry of the config; the only module that the Snakefile needs.
- `importing`: `import_dataset` and `write_dataset`, the entry points.
- `package`, `archive`, `synthetic`: one module per kind (for `folder`, the following modules).
- `members`, `movielens_csv`, `diagnosis`: CSV files in zips and folders, streamed and checked.
- `checks`: checks that every rating must pass, whatever its source.
- `download`: downloads a file, resuming interrupted downloads.
- `movielens_files`: writes the tables as files in the MovieLens format.

This file imports nothing, so the Snakefile can use `entries` at no cost.
"""
