"""The real Hub client, in processes of its own, against a server on the loopback address."""

import hashlib
import json
import os
import pty
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from personsearch import PersonSearcher
from personsearch.calibration import CALIBRATION_FILE
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, build
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE, folder_contents
from personsearch.weights.hub import fetch_file, publish
from personsearch.weights.names import HubRepo
from tests.support import toy_scene
from tests.toy_calibration import calibration
from tests.train.imagenet import imagenet_file
from tests.weights import children
from tests.weights.children import Child, Result
from tests.weights.hub_server import Hub

TOKEN = "hf_toy"  # noqa: S105


def test_first_download_then_a_pinned_revision_needs_no_network(
    hub: Hub, pull: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    commit = hub.add("org/repo", weights)
    first = pull(f"org/repo@{commit}")
    assert first == {
        "fingerprint": tiny_searcher.spec.fingerprint,
        "name": "org/repo",
        "revision": commit,
        "config": "tiny",
        "calibration": None,
    }
    assert hub.requests.total() > 0
    hub.requests.clear()
    assert pull(f"org/repo@{commit}") == first
    assert pull(f"hf://org/repo@{commit}") == first
    assert pull("org/repo", revision=commit) == first
    assert hub.requests.total() == 0


def test_the_first_download_shows_its_progress(
    hub: Hub, settings: dict[str, str], weights: dict[str, bytes], tmp_path: Path
) -> None:
    hub.add("org/repo", weights)
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (24, 120))
    subprocess.run(
        [sys.executable, "-m", "personsearch", "weights", "fetch", "org/repo"],
        env={**os.environ, **settings},
        stderr=its_end,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    os.close(its_end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert MODEL_FILE in shown
    assert "%" in shown


def test_a_cached_branch_costs_one_head_and_follows_the_branch(
    hub: Hub, pull: Child, weights: dict[str, bytes]
) -> None:
    hub.add("org/repo", weights)
    old = pull("org/repo")["revision"]
    hub.requests.clear()
    assert pull("org/repo")["revision"] == old
    assert hub.requests == {f"HEAD /org/repo/resolve/main/{CONFIG_FILE}": 1}
    new = hub.add("org/repo", {"README.md": b"changed"})
    assert pull("org/repo")["revision"] == new != old


class Release(NamedTuple):
    """A version of the weights: its files, and what loading them gives."""

    files: dict[str, bytes]
    loaded: Result


@pytest.fixture(scope="module")
def releases(tiny_config: ModelConfig) -> tuple[Release, Release]:
    """Return an old and a new version; no file of theirs is equal."""

    def release(name: str) -> Release:
        searcher = PersonSearcher(build(tiny_config.model_copy(update={"name": name})), device="cpu")
        fitted = replace(calibration(searcher.spec.fingerprint), dataset=name)
        files = folder_contents(searcher.config, searcher.network.state_dict(), calibration=fitted)
        loaded = {"fingerprint": searcher.spec.fingerprint, "config": name, "calibration": name}
        return Release(files, {"name": "org/repo", **loaded})

    return release("old"), release("new")


@pytest.mark.parametrize("file", [CONFIG_FILE, MODEL_FILE, CALIBRATION_FILE])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_push_between_two_requests_never_mixes_commits(
    method: str, file: str, hub: Hub, pull: Child, releases: tuple[Release, Release]
) -> None:
    old, new = releases
    commit = hub.add("org/repo", old.files)
    hub.pushes[f"{method} {file}"] = ("org/repo", new.files)
    assert pull("org/repo") == {"revision": commit, **old.loaded}
    assert hub.pushes == {}
    assert len(hub.repos["org/repo"].commits) == 2


def test_after_a_push_the_cached_commit_serves_offline_and_the_new_one_online(
    hub: Hub, pull: Child, releases: tuple[Release, Release]
) -> None:
    old, new = releases
    before = hub.add("org/repo", old.files)
    hub.pushes[f"HEAD {CONFIG_FILE}"] = ("org/repo", new.files)
    pull("org/repo")
    assert pull("org/repo", {"HF_HUB_OFFLINE": "1"}) == {"revision": before, **old.loaded}
    after = list(hub.repos["org/repo"].commits)[-1]
    assert pull("org/repo") == {"revision": after, **new.loaded}


def test_offline_with_and_without_cache(hub: Hub, pull: Child, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("org/repo", weights)
    offline = {"HF_HUB_OFFLINE": "1"}
    missing = pull("org/repo", offline)
    assert missing["error"] == "WeightsNotFoundError"
    assert "personsearch weights fetch org/repo" in missing["text"]
    assert CONFIG_FILE in missing["text"]
    assert "not in the Hub's cache" in pull("org/repo", local_files_only=True)["text"]
    downloaded = pull("org/repo")
    hub.requests.clear()
    assert pull("org/repo", offline) == downloaded
    assert pull("org/repo", local_files_only=True) == downloaded
    assert hub.requests.total() == 0
    assert pull("org/repo", {"HF_ENDPOINT": "http://127.0.0.1:9"}) == downloaded  # nothing listens there
    assert f"not in {tmp_path}" in pull("org/repo", cache_dir=str(tmp_path / "empty"), local_files_only=True)["text"]


def test_cache_dir(hub: Hub, pull: Child, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("org/repo", weights)
    pull("org/repo", cache_dir=str(tmp_path / "elsewhere"))
    assert list((tmp_path / "elsewhere").rglob(MODEL_FILE))
    assert not list((tmp_path / "hf").rglob(MODEL_FILE))


def test_branches_tags_and_pull_requests_have_their_own_commit(
    hub: Hub, pull: Child, weights: dict[str, bytes]
) -> None:
    commit = hub.add("org/repo", weights)
    hub.repos["org/repo"].refs = {"feature/x": commit, "refs/pr/1": commit}
    hub.add("org/repo", {CONFIG_FILE: b"{}"})
    for revision in ("feature/x", "refs/pr/1"):
        assert pull(f"org/repo@{revision}")["revision"] == commit
        assert pull("org/repo", {"HF_HUB_OFFLINE": "1"}, revision=revision)["revision"] == commit
    assert pull("hf://org/repo@refs/pr/1")["revision"] == commit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("org/none", "org/none: no such repository on the Hub, or it is private"),
        ("org/none", "For a folder write ./org/none"),
        ("org/secret", "org/secret: no such repository on the Hub, or it is private"),
        ("org/repo@nope", "org/repo@nope: org/repo has no such revision"),
        ("org/text", "org/text: config.json: the repository has no such file"),
        ("org/half", "org/half: model.safetensors: the repository has no such file"),
    ],
)
def test_repositories_revisions_and_files_that_do_not_exist(
    name: str, text: str, hub: Hub, pull: Child, weights: dict[str, bytes]
) -> None:
    hub.add("org/repo", weights)
    hub.add("org/text", {"README.md": b"no weights"})
    hub.add("org/half", {CONFIG_FILE: weights[CONFIG_FILE]})
    hub.add("org/secret", weights, private=True)
    refused = pull(name)
    assert refused["error"] == "WeightsNotFoundError"
    assert text in refused["text"]


def test_a_token_opens_a_private_repository(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/secret", weights, private=True)
    assert pull("org/secret", token=TOKEN)["name"] == "org/secret"


def test_a_name_that_the_hub_does_not_allow(hub: Hub, pull: Child) -> None:
    refused = pull("org/re po")
    assert refused["error"] == "ConfigError"
    assert "org/re po: not the name of a repository on the Hub" in refused["text"]


def test_a_connection_lost_in_the_middle_is_resumed(
    hub: Hub, pull: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = "hangs up"
    assert pull("org/repo")["fingerprint"] == tiny_searcher.spec.fingerprint
    assert hub.faults == {}
    assert sum(n for request, n in hub.requests.items() if request.startswith("GET") and MODEL_FILE in request) == 2


@pytest.mark.parametrize("fault", ["short", "error"])
def test_a_failed_download_leaves_no_partial_file(fault: str, hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = fault
    failed = pull("org/repo")
    assert failed["error"] == "WeightsNotFoundError"
    assert f"org/repo: {MODEL_FILE}" in failed["text"]
    hub.faults.clear()
    assert "fingerprint" in pull("org/repo")


def test_a_byte_flipped_on_the_way_is_detected(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = "flipped"
    refused = pull("org/repo")
    assert refused["error"] == "WeightsMismatchError"
    assert "damaged" in refused["text"]


def test_a_server_that_does_not_answer(pull: Child) -> None:
    failed = pull("org/repo", {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert failed["error"] == "WeightsNotFoundError"
    assert "cannot be reached" in failed["text"]


def test_an_entry_of_weights_toml_that_lies_on_the_hub_is_checked_file_by_file(
    hub: Hub, child: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    commit = hub.add("org/repo", weights)
    entry: dict[str, Any] = {
        "arch": "tiny",
        "repo": "org/repo",
        "revision": commit,
        "files": [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in weights.items()
        ],
        "train_data": "toys",
        "license": "cc0-1.0",
        "license_link": "https://creativecommons.org/publicdomain/zero/1.0/",
        "commercial": True,
        "metrics": {"mAP": 0.5, "top1": 0.5},
        "measured_with": "nothing",
    }
    loaded = child(children.pull_entry, json.dumps(entry))
    assert (loaded["name"], loaded["revision"]) == ("from-hub", commit)
    assert loaded["fingerprint"] == tiny_searcher.spec.fingerprint
    hub.requests.clear()
    assert child(children.pull_entry, json.dumps(entry)) == loaded
    assert hub.requests.total() == 0  # its revision is pinned
    for file in entry["files"]:
        right = file["sha256"]
        file["sha256"] = "0" * 64
        refused = child(children.pull_entry, json.dumps(entry))
        assert refused["error"] == "WeightsMismatchError"
        assert file["name"] in refused["text"]
        assert f"sha256 is {right}, but weights.toml says 000" in refused["text"]
        assert "delete the cached file and fetch it again" in refused["text"]
        file["sha256"] = right


def test_a_recipe_may_start_from_imagenet_weights_in_a_repository(hub: Hub, child: Child, tmp_path: Path) -> None:
    imagenet_file(tmp_path / "net.pth", "resnet18")
    commit = hub.add("org/imagenet", {"sub/net.pth": (tmp_path / "net.pth").read_bytes()})
    hub.pushes["HEAD sub/net.pth"] = ("org/imagenet", {"sub/net.pth": b"another file"})
    first = child(children.transfer, "hf://org/imagenet/sub/net.pth", "resnet18", 512)
    assert first["report"].startswith("loaded 1")
    assert f"{commit}/sub/net.pth" in first["report"]
    hub.requests.clear()
    assert child(children.transfer, f"hf://org/imagenet@{commit}/sub/net.pth", "resnet18", 512) == first
    assert hub.requests.total() == 0
    assert child(children.transfer, "hf://org/imagenet/sub/net.pth", "resnet18", 512, HF_HUB_OFFLINE="1") == first
    missing = child(children.transfer, f"hf://org/imagenet@{commit}/other.pth", "resnet18", 512)
    assert missing["error"] == "WeightsNotFoundError"
    assert f"org/imagenet@{commit}: other.pth: the repository has no such file" in missing["text"]
    lone = child(children.pull, f"hf://org/imagenet@{commit}/sub/net.pth", {})
    assert lone["error"] == "ConfigError"
    assert "names one file of a repository" in lone["text"]


@pytest.mark.parametrize("name", ["org/repo", "hf://org/repo", "hf://org/repo@main"])
def test_a_recipe_may_start_from_whole_weights_in_a_repository(
    name: str, hub: Hub, child: Child, weights: dict[str, bytes], tiny_config: ModelConfig
) -> None:
    commit = hub.add("org/repo", weights)
    report = child(children.transfer_whole, name, tiny_config.model_dump_json())
    assert report["fresh"] == []
    assert f"{commit}/{MODEL_FILE}" in report["report"]


def test_push_then_pull_gives_equal_embeddings(
    hub: Hub, child: Child, pull: Child, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "mine")
    refused = child(children.push, str(folder), None)
    assert refused["error"] == "WeightsError"
    commit = child(children.push, str(folder), TOKEN)["commit"]
    files = hub.repos["org/new"].commits[commit]
    assert set(files) == {CONFIG_FILE, MODEL_FILE, "README.md"}
    assert b"license: cc0-1.0" in files["README.md"]
    assert tiny_searcher.spec.fingerprint in files["README.md"].decode()
    for name in (CONFIG_FILE, MODEL_FILE):
        assert files[name] == (folder / name).read_bytes()
    assert pull(f"org/new@{commit}")["fingerprint"] == tiny_searcher.spec.fingerprint

    (tmp_path / "copy").mkdir()
    for name in (CONFIG_FILE, MODEL_FILE):
        (tmp_path / "copy" / name).write_bytes(files[name])
    copy = PersonSearcher.from_pretrained(tmp_path / "copy", device="cpu", fast=False)  # as the one that was pushed
    scene, boxes = toy_scene([(0, 10, 10)]), [(10, 10, 30, 70)]
    assert (copy.embed_boxes(scene, boxes) == tiny_searcher.embed_boxes(scene, boxes)).all()

    hub.add("org/new", {"README.md": b"written by hand"})
    again = child(children.push, str(folder), TOKEN)["commit"]
    assert hub.repos["org/new"].commits[again]["README.md"] == b"written by hand"


def test_a_calibration_is_published_with_its_weights_and_deleted_with_them(
    hub: Hub, child: Child, pull: Child, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "mine")
    calibration(tiny_searcher.spec.fingerprint).save(folder)
    commit = child(children.push, str(folder), TOKEN)["commit"]
    assert hub.repos["org/new"].commits[commit][CALIBRATION_FILE] == (folder / CALIBRATION_FILE).read_bytes()
    assert pull(f"org/new@{commit}")["calibration"] == "toys/test"
    hub.requests.clear()
    assert pull(f"org/new@{commit}")["calibration"] == "toys/test"
    assert hub.requests.total() == 0

    (folder / CALIBRATION_FILE).unlink()
    commit = child(children.push, str(folder), TOKEN)["commit"]
    assert set(hub.repos["org/new"].commits[commit]) == {CONFIG_FILE, MODEL_FILE, "README.md"}
    assert pull(f"org/new@{commit}")["calibration"] is None


def test_publish_and_fetch_on_the_command_line(
    hub: Hub, child: Child, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    config = tiny_searcher.config
    half = {
        key: tensor.half() if tensor.is_floating_point() else tensor
        for key, tensor in tiny_searcher.network.state_dict().items()
    }
    contents = folder_contents(config, half)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)

    def run(*arguments: str) -> Result:
        return child(children.command, ["weights", *arguments], HF_TOKEN=TOKEN)

    options = ("--license", "cc0-1.0", "--train-data", "toys", "--json")
    done = run("publish", str(folder), "org/new", *options)
    assert done["status"] == 0, done["err"]
    published = json.loads(done["out"])
    assert published["repo"] == "org/new"
    files = hub.repos["org/new"].commits[published["revision"]]
    assert {name: files[name] for name in contents} == contents  # in half precision, as stored
    assert published["fingerprint"] in files["README.md"].decode()

    fetched = run("fetch", f"org/new@{published['revision']}", "--cache-dir", str(tmp_path / "kept"))
    cached = Path(fetched["out"].strip())
    assert {CONFIG_FILE, MODEL_FILE} <= {file.name for file in cached.iterdir()}
    one_file = run("fetch", "hf://org/new/README.md")
    assert Path(one_file["out"].strip()).read_bytes() == files["README.md"]

    for arguments, message in [
        (("fetch", "org/none"), "no such repository"),
        (("fetch", "a/b/c"), "write ./a/b/c"),
        (("publish", str(folder), "new", *options), "new: not the name of a repository on the Hub; write org/repo"),
        (("publish", str(tmp_path / "none"), "org/new", *options), "no such folder"),
    ]:
        wrong = run(*arguments)
        assert wrong["status"] == 2
        assert message in " ".join(wrong["err"].split())


def test_publishing_refuses_a_revision(tiny_config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="org/repo@main: not the name of a repository"):
        publish("org/repo@main", tiny_config, {"a": torch.zeros(1)}, license="cc0-1.0", train_data="toys")


def test_fetching_a_file_needs_its_name() -> None:
    with pytest.raises(ValueError, match="names no file"):
        fetch_file(HubRepo("org/repo"))
