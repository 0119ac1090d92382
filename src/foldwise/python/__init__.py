"""foldwise from Python, as `import foldwise as fw` gives it: thin over the stages of the command line."""
