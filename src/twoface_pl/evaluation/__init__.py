"""Metrics, controls and the report."""
