"""What a run shows of jobs that failed: Netlift's message alone, everything else whole."""

import logging

import pytest

from netlift.workflow import screen


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Two jobs: one that ended with a message, and one with a traceback."""
    monkeypatch.chdir(tmp_path)
    screen.note_ended("/study/.snakemake/scripts/tmpab12.account_log.py")
    (tmp_path / "message.log").write_text("09:00:00 account_log: start\n09:00:01 error: no\n")
    (tmp_path / "broken.log").write_text("09:00:00 unexpected error\nTraceback (most ...\n")
    return screen.Ended()


def shown(ended, text, **extra):
    record = logging.LogRecord("snakemake", logging.ERROR, "", 0, text, None, None)
    record.__dict__.update(extra)
    return ended.filter(record)


FAILED = "CalledProcessError in file: 'python /study/.snakemake/scripts/{}' returned non-zero"
LAST = "Exiting because a job execution failed. Look above for error messages"


def test_of_a_job_that_ended_with_a_message_nothing_more_is_shown(ended):
    assert not shown(ended, FAILED.format("tmpab12.account_log.py"))
    assert not shown(ended, "Error in rule", event="job_error", log=["message.log"])
    assert not shown(ended, LAST)
    assert shown(ended, "anything else")


def test_of_any_other_error_everything_is_shown(ended):
    assert shown(ended, FAILED.format("tmpcd34.account_log.py"))
    assert shown(ended, "Error in rule", event="job_error", log=["broken.log"])
    assert shown(ended, LAST)


def test_of_both_the_other_is_shown_and_so_is_what_comes_last(ended):
    assert not shown(ended, "Error in rule", event="job_error", log=["message.log"])
    assert shown(ended, "Error in rule", event="job_error", log=["broken.log"])
    assert shown(ended, "Error in rule", event="job_error", log=["missing.log"])
    assert shown(ended, LAST)


def test_the_event_has_the_name_that_snakemake_gives_it():
    from snakemake_interface_logger_plugins.common import LogEvent

    assert str(LogEvent.JOB_ERROR).endswith("job_error") or LogEvent.JOB_ERROR == "job_error"
