"""save_model that is killed, or cannot write: the old file or the new one, whole, never neither."""

import errno
import os
import signal
import time

import numpy as np
import pytest
from separate import CAN_FORK, in_forked_child
from torture import shares, times

from fastbp import BackpropRegressor, load_model, save_model

pytestmark = [CAN_FORK, pytest.mark.faults]

KILLS = times(20, 500)
IN_ONE_TEST = 20
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))


def make_model(seed):
    """30,000 parameters: to write them takes some milliseconds."""
    return BackpropRegressor((100, 300), random_state=seed).initialize(X, X[:, 0])


MODELS = [make_model(seed) for seed in (0, 1)]
PARAMS = [model.network_.params.copy() for model in MODELS]


def saved_model(path):
    """Which of the models the file holds, whole."""
    params = load_model(path).network_.params
    return [np.array_equal(params, one) for one in PARAMS].index(True)


def killed_while_saving(path, after):
    """A child that saves the two models in turn, until it is killed after so many seconds."""
    child = os.fork()
    if child == 0:
        try:
            for turn in range(10**9):
                save_model(MODELS[(turn + 1) % 2], path)
        finally:
            os._exit(1)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child has ended by itself"


@pytest.mark.parametrize("seed", shares(KILLS, IN_ONE_TEST))
def test_killed_at_random_moments(seed, tmp_path):
    path = tmp_path / "model.npz"
    save_model(MODELS[0], path)
    most_files = 0
    for after in np.random.default_rng(seed).uniform(0.001, 0.03, IN_ONE_TEST):
        killed_while_saving(path, after)
        most_files = max(most_files, len(os.listdir(tmp_path)))
        saved_model(path)
    # what one killed process has left, the next one has removed
    assert most_files <= 2
    save_model(MODELS[1], path)
    assert os.listdir(tmp_path) == [path.name]
    assert saved_model(path) == 1


def test_a_file_that_is_being_written_is_not_removed(tmp_path, monkeypatch):
    """Another save to the same path takes only the leftovers of processes that have ended."""
    path = tmp_path / "model.npz"
    fsync, n_saved = os.fsync, 0

    def save_meanwhile(handle):
        nonlocal n_saved
        fsync(handle)
        n_saved += 1
        if n_saved == 1:
            (tmp_path / f".{path.name}.{'0' * 16}.tmp").write_bytes(b"left")
            in_forked_child(lambda: save_model(MODELS[1], path))
            assert len(os.listdir(tmp_path)) == 2

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    save_model(MODELS[0], path)
    assert saved_model(path) == 0
    assert os.listdir(tmp_path) == [path.name]


def error_in_child(function):
    """The number of the OSError that a function raises in a forked child; None: no error."""

    def attempt():
        try:
            function()
        except OSError as error:
            return error.errno
        return None

    return in_forked_child(attempt)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_a_disk_that_fills_up(share, tmp_path):
    """The system stops writing after some bytes of the file."""
    resource = pytest.importorskip("resource", reason="limits of a process, as POSIX has them")
    path = tmp_path / "model.npz"
    save_model(MODELS[0], path)
    size = path.stat().st_size
    before = path.read_bytes()

    def save():
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), size))
        save_model(MODELS[1], path)

    assert error_in_child(save) == (None if share == 1 else errno.EFBIG)
    assert os.listdir(tmp_path) == [path.name]
    if share < 1:
        assert path.read_bytes() == before
    assert saved_model(path) == (share == 1)


def test_a_folder_that_cannot_be_written(tmp_path):
    path = tmp_path / "model.npz"
    save_model(MODELS[0], path)
    os.chmod(tmp_path, 0o555)
    for folder in [path, *path.parents][1:3]:  # nobody else may look into pytest's folders
        os.chmod(folder, os.stat(folder).st_mode | 0o055)

    def save():
        if os.getuid() == 0:  # whom no permission stops
            os.setuid(65534)
        save_model(MODELS[1], path)

    assert error_in_child(save) == errno.EACCES
    os.chmod(tmp_path, 0o755)
    assert os.listdir(tmp_path) == [path.name]
    assert saved_model(path) == 0
