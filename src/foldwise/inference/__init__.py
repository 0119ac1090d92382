"""Extension: trained folds packed into one folder, and predictions from it on a new test table."""
