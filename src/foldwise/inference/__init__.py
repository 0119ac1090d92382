"""Extension: predictions of rows that came later, by folds where they were trained or packed into one folder."""
