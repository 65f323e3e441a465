"""Filling with onnxruntime: the session, the command line's photos and folders, the HTTP server. No torch."""
