"""Extension: the learner "external", whose predictions another program made and wrote to two tables."""
