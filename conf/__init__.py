"""Hydra configs: what to run. Chosen on the command line, composed, never copied."""
