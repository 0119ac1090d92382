"""foldwise from Python."""
