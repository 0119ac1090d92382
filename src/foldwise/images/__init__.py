"""Images as rows: files, how they are read, the network that sees them. An extension: the folder may be deleted."""
