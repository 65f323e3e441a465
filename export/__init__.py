"""From a training checkpoint to one self-contained ONNX file."""
