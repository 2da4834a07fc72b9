"""Models of ONNX in onnxruntime."""

import pytest

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def session_of(model):
    """A session of one thread; the model is checked first."""
    # older releases do not infer all types of what skl2onnx writes
    onnx.checker.check_model(model, full_check=model.producer_name == "fastbp")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = model.SerializeToString()
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def results_of(model, feed):
    """What a model returns, by the names of its outputs, for its inputs by name or the only one."""
    session = session_of(model)
    if not isinstance(feed, dict):
        feed = {session.get_inputs()[0].name: feed}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))
