"""A control of `make sanitize`: what is wrong on purpose must be reported, in every build.

A run whose core is not instrumented, or whose sanitizers are not loaded, would find nothing, and
pass. So each script below makes the compiled core do what it must not do: read past the end of an
array, from one matrix of a workspace into the next, at an address that is no multiple of the item
size. Run as a program, with the environment of the sanitized tests.
"""

import os
import subprocess
import sys

BEGIN = """
import numpy as np
from numpy.lib.stride_tricks import as_strided
from fastbp import Network, _kernels

core = _kernels.core = _kernels.load_build("{build}")
net = Network([3, 4, 2], loss="log_loss", output_activation="softmax", random_state=0)

def loss(X, labels, n_classes=2):
    samples = core.dense_samples(X, None, np.array(labels), n_classes, None)
    return net.evaluator(samples, l2=0.0, gradient=True, n_threads=1).evaluate(net.params)

assert np.isfinite(loss(np.ones((5, 3)), [0, 1, 0, 1, 0]))
print("sound", flush=True)
"""
# What is reported, and what it is reported for.
WRONG = {
    "heap-buffer-overflow": "loss(as_strided(np.ones(15), (6, 3), (24, 8)), [0, 1, 0, 1, 0, 1])",
    "use-after-poison": "loss(np.ones((5, 3)), [0, 1, 0, 1, 12])",
    "misaligned address": (
        "core.shuffle(np.zeros(81, np.uint8)[1:].view(np.intp), np.random.MT19937(0))"
    ),
}


def main():
    from fastbp import _kernels

    builds = sys.argv[1:]
    assert builds and set(builds) <= set(_kernels.available_builds()), builds
    environment = {**os.environ, "FASTBP_ISA": builds[0]}
    for build in builds:
        for report, statement in WRONG.items():
            script = BEGIN.format(build=build) + statement
            process = subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, text=True
            )
            if process.stdout != "sound\n" or report not in process.stderr:
                sys.exit(
                    f"{build}: no report of {report!r} for {statement}; exit status "
                    f"{process.returncode}.\n{process.stdout}{process.stderr}"
                )
    print(f"sanitizers: {len(WRONG)} errors made on purpose are reported by {', '.join(builds)}")


if __name__ == "__main__":
    main()
