"""The entry points of the compiled core; core_<build>.pyx include this file.

    arrays.pxi      all_finite; checks of sizes
    plan.pxi        Plan: sizes, activations and objective of a network, checked once
    samples.pxi     Samples: one data set, made by dense_samples and csr_samples
    forward.pxi     forward, forward_dense: outputs
    gradients.pxi   per_sample_gradients, per_sample_square_norms: of each sample's own loss, by
                    parameters; input_gradients: the same by inputs; output_jacobian: outputs by
                    parameters and by inputs
    runs.pxi        Evaluator: J and its gradient at any parameters; Trainer: epochs of mini-batches
                    and optimizer steps; shuffle

Arrays are C-contiguous float32 or float64, all arrays of a call of one type. Their values and
shapes have been checked in Python. What is checked here again is what would read or write outside
an array.
"""
from fastbp._kernels.activations cimport ACTIVATION_NAMES, N_ACTIVATIONS
from fastbp._kernels.crew_size cimport CrewSize, begin_crew_size, count_rows
from fastbp._kernels.front cimport N_COMPONENTS, N_FREQUENCIES
from fastbp._kernels.losses cimport LOSS_NAMES, N_LOSSES, N_OUTPUTS, OUTPUT_NAMES, USER_LOSS
from fastbp._kernels.optimizers cimport N_MOMENTS_OF, N_OPTIMIZERS, OPTIMIZER_NAMES

include "arrays.pxi"
include "plan.pxi"
include "samples.pxi"
include "forward.pxi"
include "gradients.pxi"
include "runs.pxi"

cdef extern from "simd/cpu.h" nogil:
    int c_cpu_level "cpu_level"() noexcept

cdef extern from "simd/threads.h" nogil:
    void set_delays_of_threads "set_delays"(unsigned int seed) noexcept

cdef extern from *:
    """
    #ifdef FASTBP_PLAIN
    #define FASTBP_KIND ", debug build"
    #else
    #define FASTBP_KIND ""
    #endif
    #if defined(__clang__)
    #define FASTBP_COMPILER "clang " __clang_version__ FASTBP_KIND
    #elif defined(__GNUC__)
    #define FASTBP_COMPILER "gcc " __VERSION__ FASTBP_KIND
    #elif defined(_MSC_VER)
    #define FASTBP_COMPILER "MSVC"
    #else
    #define FASTBP_COMPILER "an unknown compiler"
    #endif
    """
    const char* FASTBP_COMPILER

cdef dict members(const char** names, int n):
    """The members of an enum by their names, which stand in the enum's order."""
    return {names[member].decode(): member for member in range(n)}


COMPILER = FASTBP_COMPILER.decode()
ACTIVATIONS = members(ACTIVATION_NAMES, N_ACTIVATIONS)
OUTPUTS = members(OUTPUT_NAMES, N_OUTPUTS)
LOSSES = members(LOSS_NAMES, N_LOSSES)
OPTIMIZERS = members(OPTIMIZER_NAMES, N_OPTIMIZERS)
N_MOMENTS = {name: N_MOMENTS_OF[member] for name, member in OPTIMIZERS.items()}
USER = <int> USER_LOSS
WAVES = (N_FREQUENCIES, N_COMPONENTS)
MAX_THREADS = MAX_TEAM


def cpu_level():
    """0: this CPU runs the baseline build only, 1: also AVX2, 2: also AVX-512."""
    return c_cpu_level()


def set_delays(unsigned int seed):
    """For tests: threads of a team are late at random wherever they can be; 0: never."""
    set_delays_of_threads(seed)


def crew_sizes(const double[:, ::1] seconds not None):
    """For tests: how many threads work on each of n blocks of one row.

    seconds (n, most): what each block would take with 1, 2, ... threads.
    """
    cdef CrewSize size = begin_crew_size(<int> seconds.shape[1])
    cdef Py_ssize_t block
    numbers = []
    for block in range(seconds.shape[0]):
        numbers.append(size.n_threads)
        count_rows(&size, 1, seconds[block, size.n_threads - 1])
    return numbers
