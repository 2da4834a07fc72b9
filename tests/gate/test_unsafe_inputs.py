"""What would make compiled code read outside its arrays is refused before it is read.

Each case crashed the process, or was read as something else, before it was checked.
"""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse

from fastbp import BackpropClassifier, BackpropRegressor, Network

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (12, 3))
Y = RNG.uniform(-1, 1, 12)


def network(dtype="float64"):
    return Network([3, 4, 1], activation="tanh", dtype=dtype, random_state=0)


def fitted(cls=BackpropRegressor, dtype=np.float64):
    y = Y if cls is BackpropRegressor else np.arange(12) % 3
    return cls((4,), random_state=0).initialize(X.astype(dtype), y)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("other", ["one field", "two fields", "three fields", "subarray"])
def test_structured_arrays_are_refused(dtype, other):
    fields = {
        "one field": [("a", dtype)],
        "two fields": [("a", dtype), ("b", dtype)],
        "three fields": [("a", dtype), ("b", "i2"), ("c", "U3")],
        "subarray": [("a", dtype, (2,))],
    }
    structured = np.zeros((5, 3), dtype=fields[other])
    net = network(np.dtype(dtype).name)
    for method in (net.forward, net.activations, net.jacobian):
        with pytest.raises(ValueError, match="X must hold numbers, got dtype"):
            method(structured)
    for cls in (BackpropRegressor, BackpropClassifier):
        model = fitted(cls, dtype)
        for method in (model.predict, model.transform):
            with pytest.raises(ValueError, match="X must hold numbers, got dtype"):
                method(structured)
        with pytest.raises(ValueError, match="X must hold numbers, got dtype"):
            model.fit(structured, np.arange(5))


def corrupt(part, value, form="csr"):
    matrix = sparse.random(12, 3, density=0.7, format=form, random_state=0)
    setattr(matrix, part, value(getattr(matrix, part)))
    return matrix


def with_last(value, dtype=None):
    def change(array):
        changed = array.astype(dtype or array.dtype)
        changed[-1] = value
        return changed

    return change


CORRUPT = {
    "NaN among indices": lambda: corrupt("indices", with_last(np.nan, float)),
    "indices of whole floats": lambda: corrupt("indices", lambda a: a.astype(float)),
    "indices of strings": lambda: corrupt("indices", lambda a: a.astype("U3")),
    "indices in a list": lambda: corrupt("indices", lambda a: [*a[:-1].tolist(), 7]),
    "sound indices in a list": lambda: corrupt("indices", lambda a: a.tolist()),
    "sound indptr in a tuple": lambda: corrupt("indptr", lambda a: tuple(a.tolist())),
    "indices of two dimensions": lambda: corrupt("indices", lambda a: a.reshape(1, -1)),
    "index too large": lambda: corrupt("indices", with_last(3)),
    "index negative": lambda: corrupt("indices", with_last(-1)),
    "indices too few": lambda: corrupt("indices", lambda a: a[:-1]),
    "data too few": lambda: corrupt("data", lambda a: a[:-1]),
    "no indptr": lambda: corrupt("indptr", lambda a: a[:0]),
    "indptr too short": lambda: corrupt("indptr", lambda a: a[:-1]),
    "indptr of floats": lambda: corrupt("indptr", with_last(np.nan, float)),
    "indptr that falls": lambda: corrupt("indptr", lambda a: a[::-1].copy()),
    "indptr beyond the data": lambda: corrupt("indptr", with_last(10**6)),
    "CSC index too large": lambda: corrupt("indices", with_last(12), "csc"),
    "CSC indptr beyond the data": lambda: corrupt("indptr", with_last(10**6), "csc"),
    "BSR index too large": lambda: corrupt("indices", with_last(10**6), "bsr"),
    "COO row too large": lambda: corrupt("row", with_last(10**6), "coo"),
    "COO column negative": lambda: corrupt("col", with_last(-5), "coo"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_sparse_matrices_are_refused(name):
    net = network()
    calls = [
        net.forward,
        net.activations,
        net.input_jacobian,
        lambda matrix: net.loss(matrix, Y),
        lambda matrix: net.loss_gradient(matrix, Y),
        lambda matrix: net.per_sample_gradients(matrix, Y),
        lambda matrix: net.per_sample_gradient_norms(matrix, Y),
        lambda matrix: net.input_gradient(matrix, Y),
        lambda matrix: BackpropRegressor((2,), max_iter=1).fit(matrix, Y),
        lambda matrix: BackpropRegressor((2,), max_iter=1).fit(X, Y, X_val=matrix, y_val=Y),
        lambda matrix: BackpropRegressor((2,)).partial_fit(matrix, Y),
        fitted().predict,
        fitted().transform,
    ]
    for call in calls:
        with pytest.raises(ValueError, match="is no valid (CSR|CSC|BSR|COO) matrix: "):
            call(CORRUPT[name]())


def test_sound_matrices_of_every_format_are_taken():
    matrix = sparse.random(12, 3, density=0.7, format="csr", random_state=0)
    net, model = network(), fitted()
    for form in ("csr", "csc", "bsr", "coo", "lil", "dok", "dia"):
        other = matrix.asformat(form)
        np.testing.assert_allclose(net.forward(other), net.forward(matrix.toarray()))
        np.testing.assert_allclose(model.predict(other), model.predict(matrix.toarray()))
        np.testing.assert_allclose(
            net.per_sample_gradient_norms(other, Y),
            net.per_sample_gradient_norms(matrix.toarray(), Y),
        )


CHANGED_STATES = {
    "layer size 0": {"layer_sizes": (3, 0, 1)},
    "one layer size": {"layer_sizes": (3,)},
    "layer sizes of floats": {"layer_sizes": (3, 4.0, 1)},
    "other layer sizes": {"layer_sizes": (3, 5, 1)},
    "no such activation": {"activation": "sine"},
    "no such output": {"output_activation": "sine"},
    "undefined pair": {"loss_name": "log_loss"},
    "l2 of text": {"l2": "much"},
    "dtype of integers": {"dtype": np.dtype("i8")},
    "other dtype": {"dtype": np.dtype("f4")},
    "parameters of integers": {"_params": np.zeros(21, dtype=int)},
    "parameters of objects": {"_params": np.zeros(21, dtype=object)},
    "too few parameters": {"_params": np.zeros(20)},
    "parameters of two dimensions": {"_params": np.zeros((21, 1))},
    "parameters in a list": {"_params": [0.0] * 21},
    "no parameters": {"_params": None},
    "a front without parameters": {"front": "scale"},
    "an unknown front": {"front": "scales"},
    "periodic inputs that are none": {"front": "periodic", "n_periodic": 99},
}


@pytest.mark.parametrize("name", CHANGED_STATES)
def test_states_that_no_network_has_are_refused(name):
    state = network().__getstate__()
    with pytest.raises((ValueError, TypeError)):
        Network.__new__(Network).__setstate__({**state, **CHANGED_STATES[name]})


def test_a_state_without_an_entry_is_refused():
    # which activation says; or which states of version 0.1 do not have
    not_needed = {"hidden_activations", "front", "n_periodic"}
    for name in network().__getstate__().keys() - not_needed:
        state = network().__getstate__()
        del state[name]
        with pytest.raises(ValueError, match=f"has no {name!r}"):
            Network.__new__(Network).__setstate__(state)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_parameters_of_another_byte_order_and_read_only_ones_are_read(dtype):
    net = network(dtype)
    state = net.__getstate__()
    swapped = state["_params"].astype(state["_params"].dtype.newbyteorder())
    swapped.flags.writeable = False
    twin = Network.__new__(Network)
    twin.__setstate__({**state, "_params": swapped})
    np.testing.assert_array_equal(twin.params, net.params)
    assert twin.params.dtype.isnative
    twin.params += 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(twin)).params, net.params + 1)


def test_copies_share_nothing():
    net = network()
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        twin.params += 1
        assert not np.array_equal(twin.params, net.params)
