"""``netlift``: run a study; show results and changes; write pages; import published logs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlift.core.errors import NetliftError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    Commands = _SubParsersAction[ArgumentParser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, 2 if it cannot be run.

    Parameters
    ----------
    arguments
        The command and its arguments; by default those of the command line.
    """
    command = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if command[:1] == ["snakemake"]:  # all else is for Snakemake, even --help and --
            return _snakemake(command[1:])
        options = command_line().parse_args(command)
        code: int = options.run(options)
        return code
    except NetliftError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"{place}{error.strerror or error}", file=sys.stderr)
    return 2


def _snakemake(arguments: Sequence[str]) -> int:
    """Run Snakemake; after a run that made results, say what it found and where it is."""
    from netlift.workflow.running import run_of, run_snakemake

    code = run_snakemake(arguments)
    if code == 0 and (run := run_of(arguments)):
        from netlift.report.findings import findings

        if text := findings(*run):
            print(text)
    return code


def command_line() -> ArgumentParser:
    """Return the parser of all commands."""
    from argparse import ArgumentParser

    parser = ArgumentParser(
        "netlift",
        description="When we promote an item, do we create engagement, or do we only move it?",
        epilog="Exit codes: 0 done; 1 something changed (diff); 2 the command cannot be run, with "
        "the reason; for snakemake, the codes of Snakemake.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser(
        "snakemake",
        help="run Snakemake, one run at a time per folder: continues after a killed run, refuses "
        "while another runs, ends with what the run found; takes Snakemake's options and returns "
        "its exit codes",
    )
    for add in (_add_results, _add_diff, _add_page, _add_import_log):
        add(commands)
    return parser


def _add_results(commands: Commands) -> None:
    parser = commands.add_parser(
        "results",
        help="the results of a study, and where they are",
        description="Print the net effect of every experiment, what holds in how many worlds, and "
        "what to read next.",
        epilog="Exit code: 0, whether there are results or not.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default="results", help="a results folder (%(default)s)"
    )

    def run(options: Namespace) -> int:
        from netlift.report.summary import summary

        print(summary(options.folder))
        return 0

    parser.set_defaults(run=run)


def _add_diff(commands: Commands) -> None:
    parser = commands.add_parser(
        "diff",
        help="what changed between two runs",
        description="Print what changed between two runs: conclusions, numbers, tables, choices.",
        epilog="Exit codes: 0 nothing changed; 1 something did; 2 the two cannot be compared.",
    )
    for name in ("before", "after"):
        parser.add_argument(
            name,
            type=Path,
            help="an experiment's folder, its decision.json, or a folder of several experiments",
        )

    def run(options: Namespace) -> int:
        from netlift.report.changes import compare_runs

        text, changed = compare_runs(options.before, options.after)
        print(text)
        return int(changed)

    parser.set_defaults(run=run)


def _add_page(commands: Commands) -> None:
    parser = commands.add_parser(
        "page",
        help="an experiment's page, from the available files",
        description="Write the page of an experiment from the available files. Files that were "
        "made with other settings than those in the study's config.yaml, or from files that have "
        "changed since, are named and not shown. Code, own ratings and a log's files are not "
        "compared.",
        epilog="Exit codes: 0 written; 2 there is no such experiment.",
    )
    parser.add_argument("folder", type=Path, help="the experiment's folder, below results")
    parser.add_argument("file", type=Path, help="the page to write")

    def run(options: Namespace) -> int:
        from netlift.report.page_of_folder import write_page

        write_page(options.folder, options.file)
        return 0

    parser.set_defaults(run=run)


def _add_import_log(commands: Commands) -> None:
    parser = commands.add_parser(
        "import-log",
        help="a published data set as a log, with its configuration",
        description="Write a published data set as a log with its configuration overlay, and print "
        "the command that analyses it.",
        epilog="Exit codes: 0 written; 2 there is no such data set, or the source is not in the "
        "published format.",
    )
    parser.add_argument("name", help="finn, open_bandit or kuairand")
    parser.add_argument("source", type=Path, help="the published file, or its folder")
    parser.add_argument("folder", type=Path, help="where to write the log and its overlay")

    def run(options: Namespace) -> int:
        from netlift.logs.published import import_log

        overlay = import_log(options.name, options.source, options.folder)
        print(f'make analyse LOG={options.name} ARGS="--configfile {overlay}"')
        return 0

    parser.set_defaults(run=run)


if __name__ == "__main__":
    sys.exit(main())
