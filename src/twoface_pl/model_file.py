"""What an exported model file is: shared by those who write it and those who run it."""

FORMAT = "twoface-generator/3"  # in the metadata, under "format"
INPUTS = ("masked_image", "mask", "reference_images")
OUTPUT = "filled_image"
