"""The models; `batches` makes what they take."""
