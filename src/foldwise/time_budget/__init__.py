"""Extension: `--time-budget`, which trains as many folds and members as fit."""
