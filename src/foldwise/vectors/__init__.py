"""Word vectors: files of them, the rows a vocabulary needs, and the table that training starts from."""
