from __future__ import annotations

import sys

import pytest
from toy_training import stage_config

from linearsr.cli.train_feedback import TrainingBar, TrainingFeedback, TrainingLines, choose_training_feedback

VALUES = {"loss": 0.25, "seconds_per_step": 60.0}


def run_stage(feedback, *, steps=20, first=1):
    with feedback:
        feedback.tell("starts from step 7")
        for done in range(first, steps + 1):
            feedback.stepped(stage_config(steps=steps), done, VALUES)


def test_without_a_terminal_every_tenth_of_a_stage_is_a_line_with_the_time_left(capsys):
    run_stage(TrainingLines())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "starts from step 7"
    assert len(lines) == 11
    assert lines[1] == "toy: 2/20 steps, loss 0.25, 0:18:00 left"
    assert lines[-1] == "toy: 20/20 steps, loss 0.25, 0:00:00 left"


def test_short_stages_and_last_steps_are_told_too(capsys):
    run_stage(TrainingLines(), steps=3)
    assert len(capsys.readouterr().err.splitlines()) == 4
    run_stage(TrainingLines(), steps=25, first=25)
    assert "toy: 25/25" in capsys.readouterr().err


def test_quiet_still_says_what_a_stage_decides(capsys):
    run_stage(TrainingFeedback())
    assert capsys.readouterr().err == "starts from step 7\n"


def test_a_terminal_gets_a_bar_for_each_stage(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    feedback = TrainingBar()
    with feedback:
        for stage in ("one", "two"):
            for done in (3, 4):
                feedback.stepped(stage_config(steps=4), done, VALUES)
                if done == 3:
                    feedback.tell(f"a line amid {stage}")
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "loss 0.25" in shown
    assert "\r\033[Ka line amid one\n" in shown


def test_an_interrupted_bar_is_closed(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    feedback = TrainingBar()

    def interrupted():
        with feedback:
            feedback.stepped(stage_config(steps=4), 1, VALUES)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert feedback._bar is None


def test_feedback_fits_the_terminal_and_quiet(monkeypatch):
    assert type(choose_training_feedback(quiet=True)) is TrainingFeedback
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert isinstance(choose_training_feedback(quiet=False), TrainingLines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(choose_training_feedback(quiet=False), TrainingBar)
