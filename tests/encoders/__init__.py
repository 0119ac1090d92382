"""The extension `foldwise.encoders`; `tiny` makes encoders for other folders too."""
