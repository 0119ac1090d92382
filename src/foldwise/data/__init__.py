"""From CSV files to padded batches. Nothing here knows about models or training."""
