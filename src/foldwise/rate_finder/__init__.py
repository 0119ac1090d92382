"""Extension: the learning-rate range test."""
