"""Extension: networks that learn from other members (distillation, pseudo-labels) and from rows of another table."""
