"""Prepared data: layout, index, triples, DataModule."""
