"""Extension: what a person looks at: the HTML report of a run, and the layers of a model."""
