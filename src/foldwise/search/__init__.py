"""Extension: a search over fields of the recipe, with Optuna, whose trials are experiments."""
