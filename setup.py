"""Compiles the kernels, once per instruction set; everything else is in pyproject.toml.

Environment, for tests:

    FASTBP_DEBUG=1      every run-time check of Cython's, little optimisation, and the plain matrix
                        product of compilers without vector extensions
    FASTBP_SANITIZE=1   AddressSanitizer and UndefinedBehaviorSanitizer, and red zones between the
                        matrices of a workspace: for `make sanitize`
    FASTBP_BUILDS="baseline avx2"
                        these builds only
"""

import os
import sys
import sysconfig
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("FASTBP_DEBUG", "") not in ("", "0")
SANITIZED = os.environ.get("FASTBP_SANITIZE", "") not in ("", "0")
# Each kind has a folder of its own: no object file of one is taken for another's.
KIND = "debug" if DEBUG else "sanitized" if SANITIZED else "shipped"

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "overflowcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": not DEBUG,
    "embedsignature": True,
    # A Plan is never written to after it was made, each call has what it writes to itself, and the
    # modules have no other state: without the GIL, Python threads do what they do today in nogil.
    "freethreading_compatible": True,
}

# Not -ffast-math: it breaks the rounding trick of exp and may change the floating-point state
# of the whole process. Not -march=native: what ships must run elsewhere. -g0: symbols for
# debuggers, which Python's own flags ask for, are nine tenths of the files and a quarter of the
# compiler's time.
GNU_FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
GNU_DEBUG_FLAGS = ["-O1", "-g", "-UNDEBUG", "-DFASTBP_PLAIN"]
# What is shipped, but for -O1 and no symbols but lines: GCC takes minutes for the checks as it is.
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
GNU_SANITIZE_FLAGS = [*GNU_FLAGS, "-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZERS]
# Cython finds by itself which .pxd and .pxi a core is made from; the compiler must be told of all.
INCLUDED = sorted(
    file
    for suffix in ("*.pxd", "*.pxi", "simd/*.h")
    for file in glob(f"src/fastbp/_kernels/{suffix}")
)
AVX512_FEATURES = ["f", "bw", "cd", "dq", "vl"]
# simd/cpu.h asks the CPU for exactly these features.
GNU_BUILDS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx2", "-mfma", *(f"-mavx512{f}" for f in AVX512_FEATURES)]
    + ["-mprefer-vector-width=512"],
}
MSVC_BUILDS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}


def builds():
    """One build per instruction set on x86-64, one in all elsewhere.

    What counts is the platform that is compiled for, which on macOS need not be this machine. A
    binary for both of Apple's processors has no flags for one of them.
    """
    if "FASTBP_BUILDS" in os.environ:
        return os.environ["FASTBP_BUILDS"].split()
    is_x86 = sysconfig.get_platform().endswith(("x86_64", "amd64"))
    also_for_arm = "arm64" in os.environ.get("ARCHFLAGS", "")
    return list(GNU_BUILDS) if is_x86 and not also_for_arm else ["baseline"]


class BuildKernels(build_ext):
    """Adds the compiler's own spelling of the flags once the compiler is known."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        for extension in self.extensions:
            build = extension.name.rpartition("_")[2]
            if msvc:
                extension.extra_compile_args = ["/O2", *MSVC_BUILDS[build]]
            else:
                general = GNU_FLAGS
                if DEBUG:
                    general = GNU_DEBUG_FLAGS
                if SANITIZED:
                    general = GNU_SANITIZE_FLAGS
                    extension.extra_link_args = SANITIZERS
                extension.extra_compile_args = [*general, *GNU_BUILDS[build]]
        super().build_extensions()


extensions = [
    Extension(
        f"fastbp._kernels.core_{build}",
        [f"src/fastbp/_kernels/core_{build}.pyx"],
        include_dirs=["src/fastbp/_kernels"],
        depends=INCLUDED,
    )
    for build in builds()
]

# Side by side where processes are forked: elsewhere they would run this file again.
n_processes = os.cpu_count() if sys.platform == "linux" else 0

setup(
    ext_modules=cythonize(
        extensions, include_path=["src"], compiler_directives=DIRECTIVES, nthreads=n_processes
    ),
    cmdclass={"build_ext": BuildKernels},
    options={"build": {"build_base": f"build/{KIND}"}},
)
