"""Prepared data: layout, index, triples, synthetic faces, DataModule."""
