"""Samples: one data set, rows of X (dense or CSR) with targets and weights.

Values may change while a call runs, in another thread or in a callback: then the numbers do, too.
What the kernels follow must not, the indices of CSR rows and the labels: they are checked here, and
whoever makes Samples gives arrays of his own.
"""
from fastbp._kernels.inputs cimport Inputs
from fastbp._kernels.types cimport floating


cdef class Samples:
    """A data set, made by dense_samples or csr_samples; keeps its arrays alive."""
    cdef Inputs inputs
    cdef size_t item_size
    cdef list arrays

    def __len__(self):
        return self.inputs.n_samples


cdef Samples new_samples(
    const floating[::1] example, Py_ssize_t n_samples, Py_ssize_t n_features, list arrays
):
    cdef Samples samples = Samples.__new__(Samples)
    samples.item_size = sizeof(floating)
    samples.inputs.n_samples = n_samples
    samples.inputs.n_features = n_features
    samples.arrays = arrays
    return samples


ctypedef fused Index:
    int
    Py_ssize_t


cdef bint are_within(const Index* indices, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """Whether all are in [0, size)."""
    cdef Py_ssize_t i
    cdef bint within = True
    for i in range(n):
        within &= 0 <= indices[i] < size
    return within


cdef add_targets(
    Samples samples, const floating[:, ::1] targets, const Py_ssize_t[::1] labels,
    Py_ssize_t n_classes, const floating[::1] weights
):
    cdef Py_ssize_t n = samples.inputs.n_samples
    if targets is not None:
        if targets.shape[0] != n:
            raise ValueError(f"{targets.shape[0]} rows of targets for {n} samples")
        samples.inputs.n_targets = targets.shape[1]
        samples.inputs.targets = &targets[0, 0]
    elif labels is not None:
        if labels.shape[0] != n:
            raise ValueError(f"{labels.shape[0]} labels for {n} samples")
        if not are_within[Py_ssize_t](&labels[0], n, n_classes):
            raise ValueError(f"labels outside 0..{n_classes - 1}")
        samples.inputs.n_targets = n_classes
        samples.inputs.labels = &labels[0]
    if weights is not None:
        if weights.shape[0] != n:
            raise ValueError(f"{weights.shape[0]} weights for {n} samples")
        samples.inputs.weights = &weights[0]


def dense_samples(
    const floating[:, ::1] X not None, const floating[:, ::1] targets=None,
    const Py_ssize_t[::1] labels=None, Py_ssize_t n_classes=0, const floating[::1] weights=None,
):
    """Rows of a dense matrix X (n_samples, n_features), at least one of each.

    targets (n_samples, n_outputs), or labels (n_samples,) in [0, n_classes), or neither;
    weights (n_samples,), ones by default, with targets or labels.
    """
    cdef Samples samples = new_samples[floating](
        None, X.shape[0], X.shape[1], [X, targets, labels, weights])
    samples.inputs.dense = &X[0, 0]
    add_targets[floating](samples, targets, labels, n_classes, weights)
    return samples


def csr_samples(
    const floating[::1] data not None, const int[::1] columns not None,
    const Py_ssize_t[::1] row_starts not None, Py_ssize_t n_features,
    const floating[:, ::1] targets=None, const Py_ssize_t[::1] labels=None,
    Py_ssize_t n_classes=0, const floating[::1] weights=None,
):
    """Rows of a CSR matrix: data and columns (n_entries,), row_starts (n_samples + 1,)."""
    cdef Samples samples = new_samples[floating](
        None, row_starts.shape[0] - 1, n_features,
        [data, columns, row_starts, targets, labels, weights])
    cdef Py_ssize_t i
    if data.shape[0] != columns.shape[0] or row_starts[samples.inputs.n_samples] > data.shape[0]:
        raise ValueError("CSR arrays of different lengths")
    for i in range(samples.inputs.n_samples):
        if not 0 <= row_starts[i] <= row_starts[i + 1]:
            raise ValueError(f"CSR row {i} from entry {row_starts[i]} to {row_starts[i + 1]}")
    if data.shape[0] > 0:
        if not are_within[int](&columns[0], columns.shape[0], n_features):
            raise ValueError(f"CSR column indices outside 0..{n_features - 1}")
        samples.inputs.data = &data[0]
        samples.inputs.columns = &columns[0]
    samples.inputs.row_starts = &row_starts[0]
    add_targets[floating](samples, targets, labels, n_classes, weights)
    return samples


cdef int check_call(
    Plan plan, Samples samples, Py_ssize_t n_params, size_t item_size, bint with_targets
) except -1:
    if n_params != plan.net.n_params:
        raise ValueError(f"{n_params} parameters for a network of {plan.net.n_params}")
    if samples.item_size != item_size:
        raise TypeError("samples and parameters differ in dtype")
    if samples.inputs.n_features != plan.net.n_features:
        raise ValueError(
            f"{samples.inputs.n_features} features for a network of {plan.net.n_features}")
    if plan.net.front.exists and samples.inputs.dense == NULL:
        raise ValueError("CSR rows for a network with a front")
    if with_targets and samples.inputs.n_targets != plan.net.n_outputs:
        raise ValueError(
            f"{samples.inputs.n_targets} targets for {plan.net.n_outputs} outputs")
    return 0
