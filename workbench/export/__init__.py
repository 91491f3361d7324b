"""A pipeline as one ONNX file, and a page that runs it in a browser."""
