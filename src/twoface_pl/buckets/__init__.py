"""Files at fsspec's addresses (``s3://``, ``gs://``, ``hf://``...): fetched into a cache, and runs sent there."""
