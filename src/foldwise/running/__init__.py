"""Many folds: what one job does, where jobs run, and how many run side by side."""
