"""The type that all kernels are compiled for: that of the parameters."""

ctypedef fused floating:
    float
    double
