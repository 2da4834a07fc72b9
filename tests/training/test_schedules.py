"""Learning rates of an epoch's steps, against formulas written out and numbers worked by hand."""

import itertools
from fractions import Fraction
from math import cos, inf, log2, nan, pi

import numpy as np
import pytest
from internals import ends_of_waves, rate_after_epoch, rate_after_stagnation, step_rates

PEAK = 0.04
NAMED = ["constant", "invscaling", "adaptive", "cosine", "one_cycle", "coslog4", "exponential"]


def rates_of(schedule, epoch, *, n_steps=5, max_epochs=4, warmup_epochs=0, base_rate=0.3):
    return step_rates(
        schedule,
        base_rate,
        epoch=epoch,
        n_steps=n_steps,
        max_epochs=max_epochs,
        learning_rate_init=PEAK,
        decay_rate=0.5,
        warmup_epochs=warmup_epochs,
    )


def all_rates(schedule, *, n_steps, max_epochs, **settings):
    """The rates of all steps of all epochs."""
    epochs = [
        np.broadcast_to(
            rates_of(schedule, epoch, n_steps=n_steps, max_epochs=max_epochs, **settings), n_steps
        )
        for epoch in range(max_epochs)
    ]
    return np.concatenate(epochs)


def one_cycle_by_hand(n_total):
    """Step by step, as the documentation of PyTorch's OneCycleLR describes it."""
    lowest, start, top = PEAK / 25 / 1e4, PEAK / 25, 0.3 * n_total - 1
    rates = []
    for t in range(n_total):
        if t <= top:
            rates.append(PEAK + (start - PEAK) * (1 + cos(pi * t / top)) / 2)
        else:
            share = (t - top) / (n_total - 1 - top)
            rates.append(lowest + (PEAK - lowest) * (1 + cos(pi * share)) / 2)
    return rates


@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("epoch", [0, 3, 1000])
def test_the_old_schedules_give_the_rate_that_they_hold(schedule, epoch):
    rate = rates_of(schedule, epoch, base_rate=0.3)
    assert type(rate) is float and rate == 0.3


@pytest.mark.parametrize("base_rate", [1, np.float32(0.5), np.float64(0.25)])
def test_a_constant_rate_is_a_plain_float(base_rate):
    rate = rates_of("constant", 0, base_rate=base_rate)
    assert type(rate) is float and rate == base_rate


def test_cosine_values():
    rates = all_rates("cosine", n_steps=3, max_epochs=4)
    expected = [PEAK * (1 + cos(pi * t / 12)) / 2 for t in range(12)]
    np.testing.assert_allclose(rates, expected, rtol=1e-14)
    assert rates[0] == PEAK
    assert rates[6] == pytest.approx(PEAK / 2, rel=1e-14)


@pytest.mark.parametrize("n_steps, max_epochs", [(1, 20), (4, 5), (20, 1), (7, 30), (2, 2)])
def test_one_cycle_values(n_steps, max_epochs):
    rates = all_rates("one_cycle", n_steps=n_steps, max_epochs=max_epochs)
    np.testing.assert_allclose(rates, one_cycle_by_hand(n_steps * max_epochs), rtol=1e-12)


def test_one_cycle_rises_to_the_peak_and_falls_to_its_end():
    rates = all_rates("one_cycle", n_steps=10, max_epochs=10)
    assert rates[0] == pytest.approx(PEAK / 25, rel=1e-14)
    assert rates.argmax() == 29 and rates[29] == PEAK
    assert rates[-1] == pytest.approx(PEAK / 250_000, rel=1e-12)
    assert (np.diff(rates[:30]) > 0).all() and (np.diff(rates[29:]) < 0).all()


@pytest.mark.parametrize("n_total", [1, 2, 3, 4])
def test_one_cycle_of_a_few_steps(n_total):
    """Below four steps there is no rise; one step alone is at the end."""
    with np.errstate(all="raise"):
        rates = all_rates("one_cycle", n_steps=1, max_epochs=n_total)
    np.testing.assert_allclose(rates, one_cycle_by_hand(n_total), rtol=1e-12)
    assert rates[-1] == pytest.approx(PEAK / 250_000, rel=1e-12)


def test_coslog4_values():
    rates = all_rates("coslog4", n_steps=7, max_epochs=9)
    waves = [(1 - cos(2 * pi * log2(1 + 15 * (t + 0.5) / 63))) / 2 for t in range(63)]
    np.testing.assert_allclose(rates, [PEAK * max(wave, 1e-4) for wave in waves], rtol=1e-12)


def test_coslog4_has_four_waves_and_each_is_twice_as_long():
    rates = all_rates("coslog4", n_steps=100, max_epochs=15)  # 1500 steps: waves of 100 to 800
    ends = [0, 100, 300, 700, 1500]
    for start, end in itertools.pairwise(ends):
        wave = rates[start:end]
        top = wave.argmax()
        assert wave[top] == pytest.approx(PEAK, rel=1e-3)
        assert (np.diff(wave[: top + 1]) >= 0).all() and (np.diff(wave[top:]) <= 0).all()
        assert PEAK * 1e-4 <= wave[-1] < PEAK * 1e-3


def test_the_rate_is_least_where_a_wave_ends():
    assert ends_of_waves(64) == [5, 13, 30, 64] and ends_of_waves(1) == [1]
    for max_epochs in (15, 64, 300):
        rates = all_rates("coslog4", n_steps=100, max_epochs=max_epochs)
        for end in ends_of_waves(max_epochs):
            last = rates[(end - 1) * 100 : end * 100]
            assert min(last) < PEAK / 1000 and (end - 1) * 100 + np.argmin(last) > 0
        assert len(ends_of_waves(max_epochs)) == 4


@pytest.mark.parametrize(
    "schedule, end", [("cosine", 0.0), ("one_cycle", PEAK / 250_000), ("coslog4", PEAK / 10_000)]
)
@pytest.mark.parametrize("epoch", [4, 5, 10**12])
def test_past_the_last_epoch_the_end_value_stays(schedule, end, epoch):
    rate = rates_of(schedule, epoch, max_epochs=4)
    assert type(rate) is float
    assert rate == pytest.approx(end, rel=1e-12, abs=0)


def test_exponential_is_constant_within_an_epoch_and_goes_on():
    for epoch in range(8):
        rate = rates_of("exponential", epoch, max_epochs=4)
        assert type(rate) is float
        assert rate == pytest.approx(PEAK / 2**epoch, rel=1e-14)


def test_an_int_factor_of_one_keeps_the_rate():
    rate = step_rates(
        "exponential",
        0.1,
        epoch=7,
        n_steps=2,
        max_epochs=9,
        learning_rate_init=1,
        decay_rate=1,
        warmup_epochs=0,
    )
    assert type(rate) is float and rate == 1.0


@pytest.mark.parametrize("returned", [0.25, np.float32(0.25), np.float64(0.25), Fraction(1, 4), 1])
def test_a_function_is_called_once_an_epoch(returned):
    epochs = []

    def schedule(epoch):
        epochs.append(epoch)
        return returned

    rates = [rates_of(schedule, epoch) for epoch in range(6)]
    assert epochs == [0, 1, 2, 3, 4, 5] and all(type(epoch) is int for epoch in epochs)
    assert all(type(rate) is float and rate == returned for rate in rates)


@pytest.mark.parametrize("returned", [0, -0.1, 0.0, inf, -inf, nan, np.float32(-1)])
def test_a_function_must_return_a_positive_finite_number(returned):
    with pytest.raises(ValueError, match=r"for epoch 7; .* finite number > 0") as error:
        rates_of(lambda epoch: returned, 7)
    assert repr(returned) in str(error.value)


@pytest.mark.parametrize("returned", [None, "0.1", True, 1j, [0.1], np.array(0.1)])
def test_a_function_must_return_a_number(returned):
    with pytest.raises(TypeError, match="for epoch 7; it must return a number") as error:
        rates_of(lambda epoch: returned, 7)
    assert repr(returned) in str(error.value)


def test_an_error_of_the_function_passes_through():
    with pytest.raises(ZeroDivisionError):
        rates_of(lambda epoch: 1 / epoch, 0)


@pytest.mark.parametrize("schedule", [*NAMED, lambda epoch: 0.2 / (epoch + 1)])
@pytest.mark.parametrize("warmup_epochs", [1, 3, 0.5, 1.5, 2.3, 0.01, 4, 100])
def test_warmup_multiplies_every_schedule(schedule, warmup_epochs):
    n_steps, max_epochs = 5, 4
    sizes = {"n_steps": n_steps, "max_epochs": max_epochs}
    rates = all_rates(schedule, warmup_epochs=warmup_epochs, **sizes)
    factors = [min(1, (t + 1) / (warmup_epochs * n_steps)) for t in range(n_steps * max_epochs)]
    np.testing.assert_allclose(rates, factors * all_rates(schedule, **sizes), rtol=1e-14)


@pytest.mark.parametrize("epoch, constant", [(0, False), (1, False), (2, True), (3, True)])
def test_after_warmup_a_constant_rate_is_a_float_again(epoch, constant):
    rates = rates_of("constant", epoch, warmup_epochs=2)
    assert (type(rates) is float) == constant
    if not constant:
        assert rates.shape == (5,) and rates.dtype == np.float64


@pytest.mark.parametrize("schedule", NAMED)
def test_the_rate_of_a_single_step_is_a_float(schedule):
    for epoch in range(4):
        assert type(rates_of(schedule, epoch, n_steps=1, warmup_epochs=2)) is float


def test_invscaling_moves_after_each_epoch_and_the_others_do_not():
    rate = rate_after_epoch("invscaling", 0.5, PEAK, n_samples_seen=99, power_t=0.5)
    assert rate == pytest.approx(PEAK / 10, rel=1e-14)
    for schedule in set(NAMED) - {"invscaling"}:
        assert rate_after_epoch(schedule, 0.5, PEAK, n_samples_seen=99, power_t=0.5) == 0.5


def test_stagnation_divides_the_adaptive_rate_and_stops_the_others():
    assert rate_after_stagnation("adaptive", 0.5) == (0.1, "Setting learning rate to 0.100000")
    assert rate_after_stagnation("adaptive", 1.1e-6)[0] == pytest.approx(2.2e-7, rel=1e-14)
    verdict = None, "Learning rate too small. Stopping."
    assert rate_after_stagnation("adaptive", 1e-6) == verdict
    for schedule in [*(set(NAMED) - {"adaptive"}), lambda epoch: 0.1]:
        assert rate_after_stagnation(schedule, 0.5) == (None, "Stopping.")
