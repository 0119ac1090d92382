"""Kaggle: its command-line client, downloads, kernels and submissions."""
