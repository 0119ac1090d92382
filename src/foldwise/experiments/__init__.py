"""Runs with names: places of their own, tokens in common, and what makes something of several of them."""
