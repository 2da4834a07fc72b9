"""Limits of a step's speed: its products in BLAS, and the peaks of this CPU. One thread.

    bare_products(shape, X, y, epochs)    a column of compare.py: only the products of every step
    gemm_peak("float32")                  GFLOP/s of the best square product in BLAS
    fma_peak("float32")                   GFLOP/s of fused multiply-adds in registers, or None

bare_products computes the products that a step over dense rows needs: for each layer Z = A W,
dW = A^T D and (except in the first) D W^T. numpy.dot writes them into arrays allocated in advance;
from 4 MFLOP the cost of the call is negligible. No rows are gathered, nothing is activated or
updated.

The FMA peak is measured, because a program can query neither the clock of a CPU nor its number of
FMA units: it is a C loop of independent multiply-adds in vector registers, compiled for this
machine. fma_peak returns None without a compiler that takes GCC's options.
"""

import ctypes
import os
import shutil
import subprocess
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

SMALLEST_MEGAFLOPS = 4
N_ACCUMULATORS = 12  # enough to hide the latency, and few enough for sixteen registers

FMA_LOOP = """
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef REAL vector __attribute__((vector_size(BYTES)));

/* n rounds of N fused multiply-adds on vectors; returns the number of operations */
double loop(long n, REAL factor, REAL term, REAL *out)
{
    vector a[N], x = factor - (vector){}, y = term - (vector){};
    for (int k = 0; k < N; k++) a[k] = x * (REAL) k;
    for (long i = 0; i < n; i++) {
        #pragma GCC unroll 16
        for (int k = 0; k < N; k++) a[k] = a[k] * x + y;
    }
    for (int k = 1; k < N; k++) a[0] += a[k];
    *out = a[0][0];
    return 2.0 * N * n * (BYTES / sizeof(REAL));
}
"""


def takes_large_products(shape):
    return shape.megaflops >= SMALLEST_MEGAFLOPS and shape.solver != "lbfgs" and shape.density == 1


def bare_products(shape, X, y, epochs):
    activations, deltas, coefs, coef_grads = product_arrays(shape, X.dtype)
    for _ in range(epochs):
        for start in range(0, shape.n_samples, shape.batch_size):
            rows = slice(0, min(shape.batch_size, shape.n_samples - start))
            for layer, coef in enumerate(coefs):
                np.dot(activations[layer][rows], coef, out=activations[layer + 1][rows])
            for layer in range(len(coefs) - 1, -1, -1):
                above = deltas[layer + 1][rows]
                np.dot(activations[layer][rows].T, above, out=coef_grads[layer])
                if layer:
                    np.dot(above, coefs[layer].T, out=deltas[layer][rows])


@cache
def product_arrays(shape, dtype):
    rng = np.random.RandomState(0)
    activations, deltas = (
        [rng.standard_normal((shape.batch_size, n)).astype(dtype) for n in shape.layer_sizes]
        for _ in range(2)
    )
    # scaled so that repeated products neither overflow nor decay
    coefs, coef_grads = (
        [
            (rng.standard_normal(s) / np.sqrt(s[0])).astype(dtype)
            for s in pairwise(shape.layer_sizes)
        ]
        for _ in range(2)
    )
    return activations, deltas, coefs, coef_grads


@cache
def gemm_peak(dtype):
    def product(A, B, out):
        np.dot(A, B, out=out)
        return 2 * len(A) ** 3

    rng, rates = np.random.RandomState(0), []
    for n in (256, 512, 1024):
        A, B, out = (rng.standard_normal((n, n)).astype(dtype) for _ in range(3))
        rates.append(best_rate(partial(product, A, B, out)))
    return max(rates)


@cache
def fma_peak(dtype):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    real = {"float64": "double", "float32": "float"}[dtype]
    if not compiler:
        return None
    with TemporaryDirectory() as folder:
        source, binary = Path(folder, "fma.c"), Path(folder, "fma.so")
        source.write_text(FMA_LOOP)
        options = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        definitions = [f"-DREAL={real}", f"-DN={N_ACCUMULATORS}"]
        command = [compiler, *options, *definitions, source, "-o", binary]
        if subprocess.run(command, capture_output=True).returncode != 0:
            return None
        loop = ctypes.CDLL(str(binary)).loop
    c_real = {"float64": ctypes.c_double, "float32": ctypes.c_float}[dtype]
    loop.argtypes = [ctypes.c_long, c_real, c_real, ctypes.POINTER(c_real)]
    loop.restype = ctypes.c_double
    # with these the values stay near 1, neither denormal nor infinite
    return best_rate(lambda: loop(1_000_000, 0.5, 0.5, c_real()))


def best_rate(work, duration=0.3):
    """The best GFLOP/s of `work` within `duration` seconds; it returns its number of operations."""
    best, end = 0.0, perf_counter() + duration
    while perf_counter() < end:
        start = perf_counter()
        operations = work()
        best = max(best, 1e-9 * operations / (perf_counter() - start))
    return best
