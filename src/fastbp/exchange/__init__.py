"""Fitted estimators for other programs: as ONNX, and as C."""
