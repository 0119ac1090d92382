"""From the predictions of folds and members to one submission."""
