"""A control of `make sanitize`: what is wrong on purpose must be reported, in every build.

A run whose core is not instrumented, or whose sanitizers are not loaded, would find nothing, and
pass. So each script below makes the compiled core do what it must not do: read past the end of an
array, write from one matrix of a workspace into the next, read at an odd address. Run as a program,
with the environment of the sanitized tests.
"""

import os
import sys
import tempfile

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastbp import Network, _kernels


def loss(X, last_label=0):
    """By the core in use, which has checked its labels before the last one is changed."""
    net = Network([3, 4, 2], loss="log_loss", output_activation="softmax", random_state=0)
    labels = np.arange(len(X)) % 2
    samples = _kernels.core.dense_samples(X, None, labels, 2, None)
    labels[-1] = last_label
    return net.evaluator(samples, l2=0.0, gradient=True, n_threads=1).evaluate(net.params)


def read_past_the_end():
    loss(as_strided(np.ones(15), (6, 3), (24, 8)))


def write_into_the_next_matrix():
    loss(np.ones((5, 3)), last_label=12)


def read_unaligned():
    _kernels.core.shuffle(np.zeros(81, np.uint8)[1:].view(np.intp), np.random.MT19937(0))


# By what is reported. The address of the last one is no multiple of the item size.
WRONG = {
    "heap-buffer-overflow": read_past_the_end,
    "use-after-poison": write_into_the_next_matrix,
    "misaligned address": read_unaligned,
}


def output_of(function):
    """What a forked child that calls a function writes to stderr before it ends."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 2)
            function()
            os._exit(0)
        os.waitpid(child, 0)
        output.seek(0)
        return output.read().decode(errors="replace")


def main():
    builds = sys.argv[1:]
    assert builds and set(builds) <= set(_kernels.available_builds()), builds
    for build in builds:
        _kernels.core = _kernels.load_build(build)
        assert np.isfinite(loss(np.ones((5, 3))))
        for report, function in WRONG.items():
            output = output_of(function)
            if report not in output:
                sys.exit(f"{build}: {function.__name__} is not reported as {report}.\n{output}")
    print(f"sanitizers: {len(WRONG)} errors made on purpose are reported by {', '.join(builds)}")


if __name__ == "__main__":
    main()
