# What comes before the configuration: the library, and a strict check of the files that the
# configuration is read from.
import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

LIBRARY = str(Path(workflow.basedir) / "lib")
sys.path.insert(0, LIBRARY)
# Scripts run in separate processes, which find the library by this variable.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [LIBRARY, os.environ.get("PYTHONPATH")])))

from netlift.core.errors import NetliftError
from netlift.workflow.config_files import check_files


def plain_errors(function):
    """Return a function whose NetliftErrors Snakemake shows without a traceback."""

    @functools.wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except NetliftError as error:
            raise WorkflowError(str(error))

    return call


# A job in the cloud has the merged configuration, but not all files that it was read from.
CONFIG_FILES = ["config/datasets.yaml", "config/config.yaml", *workflow.config_settings.configfiles]
plain_errors(check_files)([path for path in CONFIG_FILES if os.path.isfile(path)])
