"""Training one fold: the loop, when to stop it, and what it runs on. Nothing here touches the disk."""
