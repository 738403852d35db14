"""The command line: help, exit codes, and the console script."""

import tomllib
from importlib import import_module

import pytest
from runs import ROOT

from netlift.__main__ import main

COMMANDS = ("results", "diff", "page", "import-log")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_its_exit_codes(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: netlift {command}")
    assert "Exit code" in text


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command}" in text for command in (*COMMANDS, "snakemake"))


@pytest.mark.parametrize("arguments", [[], ["such"], ["diff", "a"], ["results", "a", "b"]])
def test_what_cannot_be_run_ends_with_exit_code_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.startswith("usage: netlift")


def test_everything_after_snakemake_is_its_own(monkeypatch):
    seen = []
    monkeypatch.setattr("netlift.workflow.running.run_snakemake", lambda words: seen.append(words))
    main(["snakemake", "--cores", "2", "--help", "--", "all", "diff"])
    assert seen == [["--cores", "2", "--help", "--", "all", "diff"]]


def test_results_without_any_say_how_to_get_some(tmp_path, capsys):
    assert main(["results", str(tmp_path)]) == 0
    assert "No experiment in" in capsys.readouterr().out


def test_the_console_script_is_the_same_command():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, name = project["scripts"]["netlift"].split(":")
    assert getattr(import_module(module), name) is main
