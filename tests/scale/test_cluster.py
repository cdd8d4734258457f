"""What workers get of a cluster, and what is said where there is none."""

from __future__ import annotations

import doctest
import logging
import socket
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from personsearch.errors import ConfigError, GalleryFullError, MissingExtraError, PersonSearchError
from personsearch.scale import cluster, ledger
from personsearch.scale.cluster import Share, connected, explained, require_ray, settings, share_of

NOTHING: dict[str, Any] = {"device": None, "workers": None, "cpus": None, "gpus": None, "reserved": 0}


@pytest.mark.parametrize("module", [cluster, ledger])
def test_the_examples_run(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert (done.failed, done.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("resources", "wishes", "share"),
    [
        ({"CPU": 2.0}, {}, Share(2, 1, 0.0)),
        ({"CPU": 2.0}, {"reserved": 1}, Share(1, 1, 0.0)),
        ({"CPU": 1.0}, {"reserved": 1}, Share(1, 1, 0.0)),
        ({"CPU": 16.0, "GPU": 1.0}, {}, Share(1, 16, 1.0)),
        ({"CPU": 16.0, "GPU": 1.0}, {"reserved": 1}, Share(1, 15, 1.0)),
        ({"CPU": 16.0, "GPU": 1.0}, {"gpus": 0.5}, Share(2, 8, 0.5)),
        ({"CPU": 16.0, "GPU": 4.0}, {"cpus": 8}, Share(2, 8, 1.0)),  # cores for two alone
        ({"CPU": 16.0, "GPU": 4.0}, {"device": "cpu", "cpus": 3}, Share(5, 3, 0.0)),
        ({"CPU": 16.0, "GPU": 4.0}, {"device": "cuda", "workers": 2}, Share(2, 8, 1.0)),
        ({"CPU": 8.0}, {"device": "mps", "workers": 1}, Share(1, 1, 0.0)),
    ],
)
def test_workers_fill_the_cluster(resources: dict[str, float], wishes: dict[str, Any], share: Share) -> None:
    assert share_of(resources, **{**NOTHING, **wishes}) == share


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"device": "cuda"}, "this Ray has no GPU"),
        ({"gpus": 1.0}, "this Ray has no GPU"),
        ({"device": "cuda", "gpus": 0.0}, "needs gpus_per_worker above 0"),
        ({"device": "cuda:1"}, "which of the GPUs, Ray decides"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"cpus": 0}, "cpus_per_worker must be at least 1, got 0"),
        ({"gpus": -1.0}, "gpus_per_worker must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        share_of({"CPU": 2.0}, **{**NOTHING, **wishes})


def test_workers_that_do_not_fit_yet_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert share_of({"CPU": 2.0}, **{**NOTHING, "workers": 5}).workers == 5
    assert "5 workers of 1 cores and 0 GPUs do not all fit in this Ray (2 cores, 0 GPUs)" in caplog.text


def test_ray_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'personsearch\[ray\]'"):
        require_ray()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with (
        pytest.raises(ConfigError, match=r"Ray cannot be reached at nonsense \(RAY_ADDRESS\)"),
        connected(require_ray()),
    ):
        pass


def test_an_address_where_nothing_listens_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        for written in (address, f"ray://{address}"):
            monkeypatch.setenv("RAY_ADDRESS", written)
            with (
                pytest.raises(
                    ConfigError, match=rf"cannot be reached at {written} \(RAY_ADDRESS\): .*refused.*; start Ray there"
                ),
                connected(require_ray()),
            ):
                pass


def test_settings_of_a_dataset_are_the_callers_again() -> None:
    names = ("max_errored_blocks", "max_consecutive_actor_init_deaths", "execution_no_progress_timeout_s")
    names += (
        "raise_original_map_exception",
        "target_max_block_size",
        "enable_progress_bars",
        "print_on_execution_start",
    )
    names += ("raise_original_map_exception",)
    context = SimpleNamespace(**dict.fromkeys(names, "as it was"))

    def fail() -> None:
        with settings(context):
            assert context.max_errored_blocks == 0
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert vars(context) == dict.fromkeys(names, "as it was")


def test_an_error_of_ours_says_what_it_said_in_the_worker() -> None:
    told = RuntimeError("a task failed")
    ray_says = "\nFailed to apply UDF transform after 1/1 attempts.\nTo change retry attempts, ..."
    told.cause = GalleryFullError(f"g: the disk is full{ray_says}")  # type: ignore[attr-defined] # as Ray has it
    assert repr(explained(told, "g")) == repr(GalleryFullError("g: the disk is full"))
    told.cause = KeyError(f"x{ray_says}")  # type: ignore[attr-defined]
    assert str(explained(told, "g")).startswith("Ray gave up: KeyError: 'x")
    other = explained(RuntimeError("many\nlines\n  the last\n"), "lance://people")
    assert type(other) is PersonSearchError
    assert str(other) == (
        "Ray gave up: RuntimeError: the last. What lance://people has acknowledged stays; the same command continues"
    )
