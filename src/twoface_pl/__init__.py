"""Reference-guided face inpainting: fill a hole in a face from a second photo of the same person."""

from importlib.metadata import version

__version__ = version("twoface-pl")
