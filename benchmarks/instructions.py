"""Instructions of five training steps, counted by valgrind: a check that noise cannot affect.

    python benchmarks/instructions.py            # compare with instructions.json; exits 1 if worse
    python benchmarks/instructions.py --update   # store the counts, after an intended change

A count is the number of instructions executed inside the compiled core of fastbp in one epoch:
five batches of a Shape (instruments/workloads.py) in one dtype. It is the count of a fit of six
epochs less that of a fit of five, so checks, allocations and verdicts, made once a fit, cancel.
Instructions
of Python are not included, nor those of the C library (its memcpy differs between CPUs).

Every run gives the same number: valgrind executes the program on a simulated CPU. That CPU has
AVX2 but no AVX-512, so only the builds "baseline" and "avx2" can be counted. A count is not a
time: it ignores caches and the width of an instruction, and a change that makes training faster
may raise it. compare.py has the times.

Counts are stored for a build and a compiler. If there are none of this compiler, those of the
compiler stored last are compared, within OTHER_COMPILER instead of TOLERANCE. That still catches
a loop that is no longer vector code; the report says so.

One process runs all shapes of a build under valgrind. After every fit it sends one of callgrind's
client requests, which writes the counts since the previous one into a file.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from instruments.columns import FASTBP
from instruments.internals import compiler_of
from instruments.workloads import SHAPES, find_shape
from rivals import RIVALS

N_STEPS = 5
BUILDS = ["baseline", "avx2"]
DTYPES = ["float64", "float32"]
STORED = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.03
OTHER_COMPILER = 0.30
MARKS = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(const char* title) { CALLGRIND_DUMP_STATS_AT(title); }
"""


# --- counting


def count(build, names):
    """The counts of one build, {"tiny float64": instructions, ...}."""
    with TemporaryDirectory() as folder:
        marks = compile_marks(Path(folder))
        command = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        command += [f"--callgrind-out-file={folder}/counts"]
        command += [sys.executable, __file__, "--fits", str(marks), "--rows", *names]
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment = {**os.environ, **one_thread, "FASTBP_ISA": build, "PYTHONHASHSEED": "0"}
        subprocess.run(command, env=environment, check=True)
        fits = dict(read_counts(file, f"core_{build}.") for file in Path(folder).glob("counts.*"))
    titles = [f"{name} {dtype}" for name in names for dtype in DTYPES]
    return {title: fits[f"{title} 6"] - fits[f"{title} 5"] for title in titles}


def compile_marks(folder):
    """Callgrind's client requests are C macros: this makes functions of them, for ctypes."""
    library = folder / "marks.so"
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=MARKS, text=True, check=True)
    return library


def read_counts(file, module):
    """The title of a callgrind file, and the instructions in the code of `module` itself.

    The format is a state machine: `ob=` names the object file of the lines after it, by
    `(number) path` the first time and by `(number)` later. A line "position count" is a
    function's own cost, but after `calls=` it is the cost of the function called.
    """
    paths, total, inside, called, title = {}, 0, False, False, None
    for line in file.read_text().splitlines():
        if line.startswith("desc: Trigger:"):
            title = line.rpartition(": ")[2]
        elif match := re.match(r"(c?ob)=\((\d+)\)(?: (.*))?", line):
            kind, number, path = match.groups()
            if path is not None:
                paths[number] = Path(path).name
            if kind == "ob":
                inside = paths[number].startswith(module)
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[+\-*\d]", line):
            total += int(line.split()[1]) if inside and not called else 0
            called = False
    return title, total


def run_fits(marks, names):
    """What runs under valgrind: two fits of every shape and dtype, each between two marks."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    marks = ctypes.CDLL(marks)
    run = RIVALS[FASTBP].load()
    for name in names:
        shape = find_shape(name)
        shape = replace(shape, n_samples=N_STEPS * shape.batch_size)
        for dtype in DTYPES:
            X, y = shape.data(dtype)
            for epochs in (5, 6):
                marks.start()
                run(shape, X, y, epochs)
                marks.end(f"{name} {dtype} {epochs}".encode())


# --- comparing


def compare(build, compiler, counts, stored):
    """Prints a table; returns how many counts are worse than the stored ones."""
    known = stored.get(build, {})
    tolerance = TOLERANCE
    print(f"\n{build}, {compiler}: instructions of {N_STEPS} steps")
    if not known:
        print("  nothing is stored for this build; --update stores these counts")
    elif compiler not in known:
        other = list(known)[-1]
        print(f"  nothing is stored for this compiler: compared with {other}, loosely")
        compiler, tolerance = other, OTHER_COMPILER
    before = known.get(compiler, {})
    n_worse = 0
    for title, now in counts.items():
        line = f"  {title:20} {now:15,}"
        if title in before:
            change = now / before[title] - 1
            worse = change > tolerance
            n_worse += worse
            line += f"   stored {before[title]:15,} {change:+8.1%}"
            line += f"   WORSE by more than {tolerance:.0%}" if worse else ""
            line += "   better: --update stores it" if change < -tolerance else ""
        print(line)
    return n_worse


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [shape.name for shape in SHAPES]
    # valgrind computes every FMA in a function call, 250 times slower
    quick = [shape.name for shape in SHAPES if shape.megaflops < 10]
    parser.add_argument("--rows", nargs="+", choices=names, default=quick, metavar="ROW")
    parser.add_argument("--builds", nargs="+", choices=BUILDS, default=BUILDS)
    parser.add_argument("--update", action="store_true", help=f"rewrite {STORED.name}")
    parser.add_argument("--fits", metavar="MARKS", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.fits:
        return run_fits(options.fits, options.rows)
    if not shutil.which("valgrind"):
        sys.exit("valgrind was not found; install it, for example `apt-get install valgrind`")
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    n_worse = 0
    for build in options.builds:
        compiler = compiler_of(build)
        if compiler is None:
            print(f"\n{build}: this build does not run here")
            continue
        counts = count(build, options.rows)
        n_worse += compare(build, compiler, counts, stored)
        if options.update:
            stored.setdefault(build, {}).setdefault(compiler, {}).update(counts)
    if options.update:
        STORED.write_text(json.dumps(stored, indent=2) + "\n")
        print(f"\nstored in {STORED.name}")
    elif n_worse:
        sys.exit(f"\n{n_worse} counts are worse than stored")


if __name__ == "__main__":
    main()
