import pytest

from personsearch.train.schedule import ScheduleConfig, learning_rate_factor


def test_decayed_after_twelve_epochs_acts_at_the_start_of_the_thirteenth() -> None:
    paper = ScheduleConfig(epochs=20, decay_after=(12,))
    assert learning_rate_factor(paper, 0.0) == 1.0
    assert learning_rate_factor(paper, 11.999) == 1.0
    assert learning_rate_factor(paper, 12.0) == pytest.approx(0.1)
    assert learning_rate_factor(paper, 19.9) == pytest.approx(0.1)


def test_two_drops_and_a_linear_warm_up() -> None:
    paper = ScheduleConfig(epochs=120, decay_after=(40, 70), warmup_epochs=10, warmup_factor=0.1)
    assert learning_rate_factor(paper, 0.0) == pytest.approx(0.1)  # 3.5e-5 of 3.5e-4
    assert learning_rate_factor(paper, 5.0) == pytest.approx(0.55)
    assert learning_rate_factor(paper, 10.0) == 1.0
    assert learning_rate_factor(paper, 39.9) == 1.0
    assert learning_rate_factor(paper, 40.0) == pytest.approx(0.1)
    assert learning_rate_factor(paper, 70.0) == pytest.approx(0.01)


def test_cosine_ends_at_zero() -> None:
    cosine = ScheduleConfig(epochs=10, kind="cosine")
    assert learning_rate_factor(cosine, 0) == 1.0
    assert learning_rate_factor(cosine, 5) == pytest.approx(0.5)
    assert learning_rate_factor(cosine, 10) == pytest.approx(0.0)
