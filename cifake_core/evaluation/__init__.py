"""Evaluation: what a run's predictions are worth, with intervals, overall and by group."""
