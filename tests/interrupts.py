"""Ctrl-C at a chosen moment: a trace function that raises KeyboardInterrupt there."""

import sys

from internals import shuffle

# Holds a lock. Python lets no Ctrl-C through between the last call in a with-block and the release
# of its lock, but traces a line there: an interrupt would leave the random source locked for good.
UNTRACED = (shuffle.__code__,)


class Interrupter:
    """Raises KeyboardInterrupt at the `at`-th step in some files; at=0 only counts the steps.

    Parameters
    ----------
    files : tuple of str
        The ends of their names.
    at : int, default=0
    bytecodes : bool, default=False
        Whether a step is a bytecode, not a line.
    """

    def __init__(self, files, at=0, *, bytecodes=False):
        self.files, self.at, self.bytecodes = files, at, bytecodes
        self.n_steps = 0

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.replace("\\", "/").endswith(self.files):
            return None
        if frame.f_code in UNTRACED:
            return None
        frame.f_trace_opcodes = self.bytecodes
        if event == "line" or (self.bytecodes and event in ("opcode", "call")):
            self.n_steps += 1
            if self.n_steps == self.at:
                raise KeyboardInterrupt
        return self

    def run(self, function):
        """Whether KeyboardInterrupt has ended the function."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            function()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


def count_steps(files, function, **how):
    """The number of steps that a function, which nothing interrupts, takes in these files."""
    counter = Interrupter(files, **how)
    assert not counter.run(function)
    return counter.n_steps
