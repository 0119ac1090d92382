"""Training one fold: the loop, when to stop it, what it runs on, and its state and weights as files."""
