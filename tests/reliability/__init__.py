"""Scripts that break a run on purpose, as often as asked; as tests, a few rounds of each."""
