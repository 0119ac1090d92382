"""Tests of the learner "external"."""
