"""Extension: contests known by name, a .toml file each."""
