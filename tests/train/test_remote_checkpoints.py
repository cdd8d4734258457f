"""Copies of checkpoints in object storage: an S3 server on this machine, folders, and kills in mid-upload."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from personsearch.durable import sha256_of
from personsearch.errors import ConfigError, MissingExtraError, TrainingError
from personsearch.train import finetune, read_status, rehearse_finetune
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint
from personsearch.train.config import FinetuneConfig
from personsearch.train.remote import KEPT, RUN_FILES, Backup
from personsearch.train.watch import METRICS, RECIPE
from tests.support import toy_set
from tests.train.runs import KilledError, finetune_config, kill_after

BUCKET = "runs"
TRAIN = """
import sys, torch
from personsearch.train import finetune
from personsearch.train.config import FinetuneConfig
torch.set_num_threads(1)
finetune(FinetuneConfig.model_validate_json(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, int]]:
    """A server that speaks S3, with one bucket; tests keep apart by folder."""
    moto_server = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the server takes any
    )
    client.create_bucket(Bucket=BUCKET)
    yield host, port
    client.close()
    server.stop()


def environment(host: str, port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture
def bucket(s3: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from s3fs import S3FileSystem

    for name, value in environment(*s3).items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    yield f"s3://{BUCKET}"
    S3FileSystem.clear_instance_cache()


class KillingProxy:
    """Passes bytes on to a server, and kills a process when it has sent so many."""

    def __init__(self, server: tuple[str, int], limit: int) -> None:
        self.limit, self.sent, self.victim, self.killed = limit, 0, 0, False
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(2**16):
                if counted:
                    self.sent += len(data)
                    if self.sent > self.limit and not self.killed:
                        self.killed = True
                        os.kill(self.victim, signal.SIGKILL)
                        break
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            one.close()


def lists_in(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "checkpoints").glob("*.json"))


def test_killed_in_mid_upload_a_new_machine_takes_up_the_copy_before_bit_for_bit(
    s3: tuple[str, int], bucket: str, tmp_path: Path
) -> None:
    annotations = toy_set(tmp_path / "toy")
    changes: dict[str, Any] = {"run": {"backup": f"{bucket}/killed", "checkpoint_every": 2}}
    whole = finetune(finetune_config(tmp_path / "whole", annotations))
    size = (tmp_path / "whole" / LAST).stat().st_size
    proxy = KillingProxy(s3, limit=int(1.5 * size))  # the first copy is there, and half of another
    # With a loading process, which is forked while a copy is under way.
    first = finetune_config(
        tmp_path / "first machine", annotations, run={**changes["run"], "num_workers": 1, "checkpoint_every": 3}
    )
    started = subprocess.Popen(
        [sys.executable, "-c", TRAIN, first.model_dump_json()],
        env={**os.environ, **environment("127.0.0.1", proxy.port), "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    proxy.victim = started.pid
    _, said = started.communicate(timeout=300)
    proxy.close()
    assert started.returncode == -signal.SIGKILL, said
    assert not (tmp_path / "first machine" / "weights").exists()
    second = finetune_config(tmp_path / "second machine", annotations, **changes)
    copies = Backup(f"{bucket}/killed", second)
    assert copies.take_up(tmp_path / "look", further_than=None) == 3
    torch.manual_seed(99)  # whatever happened in between
    weights = finetune(second)
    assert sha256_of(weights / "model.safetensors") == sha256_of(whole / "model.safetensors")
    losses, others = (read_status(tmp_path / name).losses for name in ("second machine", "whole"))
    assert losses == others  # of the first steps too, which another machine took
    third = finetune_config(tmp_path / "third machine", annotations, **changes)
    assert sha256_of(finetune(third) / "model.safetensors") == sha256_of(whole / "model.safetensors")
    import s3fs

    store = s3fs.S3FileSystem()
    store.get(f"{BUCKET}/killed/weights/", f"{tmp_path / 'fetched'}/", recursive=True)
    assert sha256_of(tmp_path / "fetched" / "model.safetensors") == sha256_of(whole / "model.safetensors")
    assert len(store.ls(f"{BUCKET}/killed/checkpoints")) == KEPT


def test_a_bucket_that_is_not_there_is_named_before_training(bucket: str, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", toy_set(tmp_path / "toy"), run={"backup": "s3://no-such-bucket/run"})
    with pytest.raises(TrainingError, match=r"run\.backup=s3://no-such-bucket/run: cannot be written .*leave run"):
        finetune(config)
    assert not (tmp_path / "run").exists()


def test_a_copy_that_fails_is_a_warning_and_at_the_end_an_error(
    toy_annotations: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "files").write_text("a file where the folder would be")
    config = finetune_config(tmp_path / "run", toy_annotations, run={"backup": str(store), "checkpoint_every": 2})
    with (
        caplog.at_level(logging.WARNING, "personsearch"),
        pytest.raises(TrainingError, match=r"the run is finished and its weights are in .*run/weights, but they could"),
    ):
        finetune(config)
    assert "the checkpoint of step 2 could not be copied (" in caplog.text
    assert "Training goes on, and the next checkpoint tries again" in caplog.text
    assert read_status(tmp_path / "run").finished
    (store / "files").unlink()
    before = (tmp_path / "run" / LAST).stat().st_mtime_ns
    weights = finetune(config)  # as the message says
    assert (tmp_path / "run" / LAST).stat().st_mtime_ns == before
    assert sha256_of(store / "weights" / "model.safetensors") == sha256_of(weights / "model.safetensors")
    [name] = lists_in(store)
    files = json.loads((store / "checkpoints" / name).read_text())["files"]
    assert sha256_of(store / files[LAST]["key"]) == files[LAST]["sha256"] == sha256_of(tmp_path / "run" / LAST)


def test_the_best_epoch_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are the result, also where another machine finishes the run."""
    annotations = toy_set(tmp_path / "toy", num_scenes=6, place_every=3)
    common: dict[str, Any] = {"data": {"holdout_places": ("b",)}, "run": {"backup": f"file://{tmp_path / 'store'}"}}
    figures = iter([0.9, 0.1])
    monkeypatch.setattr(sys.modules[finetune.__module__], "search_figures", lambda *_, **__: {"AP": next(figures)})
    with monkeypatch.context() as killed:
        kill_after(killed, 3)  # in the second epoch of two steps
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "one", annotations, **common))
    best = load_checkpoint(tmp_path / "one" / BEST)
    shutil.rmtree(tmp_path / "one")
    weights = load_file(finetune(finetune_config(tmp_path / "other", annotations, **common)) / "model.safetensors")
    assert best["epoch"] == load_checkpoint(tmp_path / "other" / BEST)["epoch"] == 1
    assert all(torch.equal(tensor, best["task"][f"network.{key}"]) for key, tensor in weights.items())
    assert [epoch for epoch, _ in read_status(tmp_path / "other").validations] == [1, 2]


# A run without training: what is copied, what is kept, what is taken up.


def a_run(folder: Path, step: int, *, best: bool = False) -> Path:
    """Write the files of a run that stands at a step."""
    folder.mkdir(exist_ok=True)
    for name in RUN_FILES:
        if name != BEST or best:
            (folder / name).write_text(f"{name} of step {step}" if name != RECIPE else "the recipe")
    return folder


def a_config(tmp_path: Path, **changes: Any) -> FinetuneConfig:
    return finetune_config(tmp_path / "run", tmp_path / "train.json", **changes)


def copy_steps(backup: Backup, folder: Path, *steps: int) -> None:
    for step in steps:
        backup.finish(a_run(folder, step), step, ())


def test_the_newest_are_kept_and_nothing_of_others_is_touched(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "files").mkdir(parents=True)
    (store / "files" / "last-of-somebody-else.pt").write_text("not ours")
    backup = Backup(str(store), a_config(tmp_path))
    copy_steps(backup, tmp_path / "run", 2, 4, 6, 8, 10)
    assert [int(name[:9]) for name in lists_in(store)] == [6, 8, 10]
    kept = sorted(path.name.rpartition("-")[0] for path in (store / "files").iterdir())
    assert kept == ["last", "last", "last", "last-of-somebody", "metrics", "metrics", "metrics", "recipe"]
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    copy_steps(backup, tmp_path / "run", 10)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    assert not (tmp_path / "run" / ".backup").exists()


@pytest.mark.parametrize(("elsewhere", "taken", "then"), [(None, 6, 6), (4, 6, 6), (6, None, 1), (8, None, 1)], ids=str)
def test_the_furthest_is_taken_up(elsewhere: int | None, taken: int | None, then: int, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'store'}"
    copy_steps(Backup(url, a_config(tmp_path)), tmp_path / "run", 2, 4, 6)
    here = a_run(tmp_path / "here", 1, best=True)
    assert Backup(url, a_config(tmp_path)).take_up(here, further_than=elsewhere) == taken
    assert (here / LAST).read_text() == f"last.pt of step {then}"
    assert (here / METRICS).read_text() == f"metrics.jsonl of step {then}"
    assert (here / BEST).exists() == (taken is None)  # the run that was copied had none
    assert {path.name for path in here.iterdir()} <= set(RUN_FILES)


def test_a_damaged_copy_is_left_out_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, run = tmp_path / "store", tmp_path / "run"
    copy_steps(Backup(str(store), a_config(tmp_path)), run, 2, 4, 6)
    newest = json.loads((store / "checkpoints" / lists_in(store)[-1]).read_text())
    path = store / newest["files"][LAST]["key"]
    path.write_text(path.read_text().replace("6", "7"))  # a flipped bit
    again = Backup(str(store), a_config(tmp_path))
    with caplog.at_level(logging.WARNING, "personsearch"):
        assert again.take_up(tmp_path / "new", further_than=None) == 4
    assert "the checkpoint of step 6 is left out" in caplog.text
    assert (tmp_path / "new" / LAST).read_text() == "last.pt of step 4"
    copy_steps(again, run, 6)
    assert [int(name[:9]) for name in lists_in(store)] == [2, 4, 6]
    assert Backup(str(store), a_config(tmp_path)).take_up(tmp_path / "newer", further_than=None) == 6


def test_where_no_copy_is_sound_nothing_begins_afresh_unasked(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy_steps(Backup(str(store), a_config(tmp_path)), tmp_path / "run", 2, 4)
    for path in (store / "files").glob("last-*"):
        path.unlink()
    with pytest.raises(TrainingError, match=r"none of its 2 checkpoints is sound; choose another run\.backup, or"):
        Backup(str(store), a_config(tmp_path)).take_up(tmp_path / "new", further_than=None)
    assert Backup(str(store), a_config(tmp_path)).take_up(tmp_path / "new", further_than=4) is None


def test_half_a_list_is_no_list(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy_steps(Backup(str(store), a_config(tmp_path)), tmp_path / "run", 2, 4)
    newest = store / "checkpoints" / lists_in(store)[-1]
    newest.write_bytes(newest.read_bytes()[:-20])
    assert Backup(str(store), a_config(tmp_path)).take_up(tmp_path / "new", further_than=None) == 2


def test_copies_of_another_recipe_are_refused_and_what_is_here_stays(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy_steps(Backup(str(store), a_config(tmp_path)), tmp_path / "run", 8)
    here = a_run(tmp_path / "here", 1)
    with pytest.raises(TrainingError, match=r"holds a run of another recipe \(batch_size differ\); choose another"):
        Backup(str(store), a_config(tmp_path, batch_size=4)).take_up(here, further_than=1)
    assert (here / LAST).read_text() == "last.pt of step 1"


def test_while_a_copy_is_under_way_none_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = Backup("memory://slow", a_config(tmp_path))
    begun, go_on = threading.Event(), threading.Event()
    put = backup._fs.put_file

    def slow(*arguments: Any) -> None:
        begun.set()
        assert go_on.wait(60)
        put(*arguments)

    monkeypatch.setattr(backup._fs, "put_file", slow)
    with backup:
        backup.start(a_run(tmp_path / "run", 2), 2)
        assert begun.wait(60)
        backup.start(a_run(tmp_path / "run", 4), 4)  # replaces what is being copied, as training does
        go_on.set()
    found = Backup("memory://slow", a_config(tmp_path))
    assert found.take_up(tmp_path / "new", further_than=None) == 2


def test_addresses_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"run\.backup=s4://b/run: not an address that fsspec opens"):
        Backup("s4://b/run", a_config(tmp_path))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)  # loaded before
    annotations = toy_set(tmp_path / "toy")
    for run in (finetune, rehearse_finetune):
        with pytest.raises(MissingExtraError, match=r"is not installed: pip install 'personsearch\[s3\]'"):
            run(finetune_config(tmp_path / "run", annotations, run={"backup": "s3://b/run"}))
    assert not (tmp_path / "run").exists()
