"""The real Hub client in child processes against a server on the loopback address."""

import hashlib
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from personsearch import PersonSearcher
from personsearch.calibration import CALIBRATION_FILE
from personsearch.errors import ConfigError
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE
from personsearch.weights.hub import HubName
from tests.conftest import toy_scene
from tests.hub_server import Hub
from tests.test_calibration import calibration
from tests.train.test_transfer import imagenet_file

PULL = """
import json, sys
from personsearch import PersonSearcher, PersonSearchError
options = json.loads(sys.argv[2])
try:
    searcher = PersonSearcher.from_pretrained(sys.argv[1], device="cpu", **options)
except PersonSearchError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
else:
    spec = searcher.spec
    print(json.dumps({"fingerprint": spec.fingerprint, "name": spec.name, "revision": spec.revision}))
"""

PUSH = """
import json, sys
from personsearch import PersonSearcher, PersonSearchError
searcher = PersonSearcher.from_pretrained(sys.argv[1], device="cpu")
try:
    print(json.dumps(searcher.push_to_hub("org/new", license="cc0-1.0", train_data="toys", token=sys.argv[2] or None)))
except PersonSearchError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


class Pulled(NamedTuple):
    result: dict[str, str]
    stderr: str


Child = Callable[..., Pulled]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


@pytest.fixture
def child(hub: Hub, tmp_path: Path) -> Child:
    def run(code: str, *arguments: str, **environment: str) -> Pulled:
        settings = {
            **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return Pulled(json.loads(done.stdout.splitlines()[-1]), done.stderr)

    return run


@pytest.fixture
def pull(child: Child) -> Child:
    def run(name: str, environment: dict[str, str] | None = None, **options: object) -> Pulled:
        return child(PULL, name, json.dumps(options), **(environment or {}))

    return run


@pytest.fixture
def weights(tiny_searcher: PersonSearcher, tmp_path: Path) -> dict[str, bytes]:
    folder = tiny_searcher.save_pretrained(tmp_path / "weights")
    return {file: (folder / file).read_bytes() for file in (CONFIG_FILE, MODEL_FILE)}


def test_first_download_then_a_pinned_revision_needs_no_network(
    hub: Hub, pull: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    commit = hub.add("org/repo", weights)
    first = pull(f"org/repo@{commit}")
    assert first.result == {
        "fingerprint": tiny_searcher.spec.fingerprint,
        "name": "org/repo",
        "revision": commit,
    }
    assert hub.requests.total() > 0
    hub.requests.clear()
    assert pull(f"org/repo@{commit}").result == first.result
    assert pull("org/repo", revision=commit).result == first.result
    assert hub.requests.total() == 0


def test_the_first_download_shows_its_progress(hub: Hub, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("org/repo", weights)
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (24, 120))
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    subprocess.run(
        [sys.executable, "-c", PULL, "org/repo", "{}"],
        env=environment,
        stderr=its_end,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    os.close(its_end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert MODEL_FILE in shown
    assert "%" in shown


def test_a_branch_costs_one_head_a_file_and_follows_it(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    old = pull("org/repo").result["revision"]
    hub.requests.clear()
    assert pull("org/repo").result["revision"] == old
    assert all(request.startswith("HEAD") for request in hub.requests)
    assert hub.requests.total() == 2
    new = hub.add("org/repo", {"README.md": b"changed"})
    assert pull("org/repo").result["revision"] == new != old


def test_offline_with_and_without_cache(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    offline = {"HF_HUB_OFFLINE": "1"}
    missing = pull("org/repo", offline).result
    assert missing["error"] == "WeightsNotFoundError"
    assert "personsearch weights fetch org/repo" in missing["text"]
    assert CONFIG_FILE in missing["text"]
    assert "not in the Hub's cache" in pull("org/repo", local_files_only=True).result["text"]
    there = pull("org/repo").result
    hub.requests.clear()
    assert pull("org/repo", offline).result == there
    assert pull("org/repo", local_files_only=True).result == there
    assert hub.requests.total() == 0


def test_cache_dir(hub: Hub, pull: Child, weights: dict[str, bytes], tmp_path: Path) -> None:
    hub.add("org/repo", weights)
    pull("org/repo", cache_dir=str(tmp_path / "elsewhere"))
    assert list((tmp_path / "elsewhere").rglob(MODEL_FILE))


def test_repositories_revisions_and_files_that_are_not_there(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    hub.add("org/text", {"README.md": b"no weights"})
    hub.add("org/half", {CONFIG_FILE: weights[CONFIG_FILE]})
    hub.add("org/secret", weights, private=True)
    for name, text in [
        ("org/none", "org/none: no such repository, or it is private"),
        ("org/secret", "org/secret: no such repository, or it is private"),
        ("org/repo@nope", "org/repo@nope: no such revision in org/repo"),
        ("org/text", "org/text: config.json: not in the repository"),
        ("org/half", "org/half: model.safetensors: not in the repository"),
    ]:
        got = pull(name).result
        assert got["error"] == "WeightsNotFoundError"
        assert text in got["text"]
    assert pull("org/secret", **{"token": "hf_toy"}).result["name"] == "org/secret"
    assert pull("a/b/c").result["error"] == "ConfigError"


def test_a_connection_lost_in_the_middle_is_taken_up_again(
    hub: Hub, pull: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = "gone"
    assert pull("org/repo").result["fingerprint"] == tiny_searcher.spec.fingerprint
    assert hub.faults == {}
    assert sum(n for request, n in hub.requests.items() if request.startswith("GET") and MODEL_FILE in request) == 2


@pytest.mark.parametrize("fault", ["short", "error"])
def test_a_download_that_breaks_off_leaves_nothing_half_there(
    fault: str, hub: Hub, pull: Child, weights: dict[str, bytes]
) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = fault
    got = pull("org/repo").result
    assert got["error"] == "WeightsNotFoundError"
    assert f"org/repo: {MODEL_FILE}" in got["text"]
    hub.faults.clear()
    assert "fingerprint" in pull("org/repo").result


def test_a_flipped_byte_on_the_way_is_found(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    hub.add("org/repo", weights)
    hub.faults[MODEL_FILE] = "flipped"
    got = pull("org/repo").result
    assert got["error"] == "WeightsMismatchError"
    assert "damaged" in got["text"]


def test_a_server_that_is_gone(hub: Hub, pull: Child, weights: dict[str, bytes]) -> None:
    got = pull("org/repo", {"HF_ENDPOINT": "http://127.0.0.1:9"}).result
    assert got["error"] == "WeightsNotFoundError"
    assert "cannot be asked" in got["text"]


ENTRY = """
import json, sys
from personsearch import PersonSearcher, PersonSearchError
from personsearch.weights import registry
entry = registry.WeightsEntry.model_validate_json(sys.argv[1])
registry.list_weights = lambda: {"from-hub": entry}
try:
    print(json.dumps({"fingerprint": PersonSearcher.from_pretrained("from-hub", device="cpu").spec.fingerprint}))
except PersonSearchError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


def test_an_entry_of_weights_toml_that_lies_on_the_hub_is_checked_file_by_file(
    hub: Hub, child: Child, weights: dict[str, bytes], tiny_searcher: PersonSearcher
) -> None:
    commit = hub.add("org/repo", weights)
    entry = {
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
    assert child(ENTRY, json.dumps(entry)).result == {"fingerprint": tiny_searcher.spec.fingerprint}
    hub.requests.clear()
    assert child(ENTRY, json.dumps(entry)).result == {"fingerprint": tiny_searcher.spec.fingerprint}
    assert hub.requests.total() == 0  # its revision is pinned
    for file in entry["files"]:
        right = file["sha256"]
        file["sha256"] = "0" * 64
        wrong = child(ENTRY, json.dumps(entry)).result
        assert wrong["error"] == "WeightsMismatchError"
        assert file["name"] in wrong["text"]
        assert f"sha256 is {right}, weights.toml says 000" in wrong["text"]
        assert "delete the cached file and fetch again" in wrong["text"]
        file["sha256"] = right


INIT = """
import json, sys
from personsearch import PersonSearchError
from personsearch.models import ReidNetwork
from personsearch.train.transfer import transfer
try:
    print(json.dumps({"report": str(transfer(ReidNetwork("resnet18", 512), sys.argv[1]))}))
except PersonSearchError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


def test_a_recipe_may_take_imagenet_weights_from_a_repository(hub: Hub, child: Child, tmp_path: Path) -> None:
    imagenet_file(tmp_path / "net.pth", "resnet18")
    commit = hub.add("org/imagenet", {"sub/net.pth": (tmp_path / "net.pth").read_bytes()})
    source = f"hf://org/imagenet@{commit}/sub/net.pth"
    report = child(INIT, source).result["report"]
    assert report.startswith("loaded 1")
    assert "net.pth" in report
    hub.requests.clear()
    assert child(INIT, source).result["report"] == report
    assert hub.requests.total() == 0
    missing = child(INIT, f"hf://org/imagenet@{commit}/other.pth").result
    assert missing["error"] == "WeightsNotFoundError"
    assert "other.pth" in missing["text"]


def test_push_then_pull_gives_equal_embeddings(
    hub: Hub, child: Child, pull: Child, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "mine")
    refused = child(PUSH, str(folder), "").result
    assert refused["error"] == "WeightsError"
    commit = child(PUSH, str(folder), "hf_toy").result
    assert isinstance(commit, str)
    files = hub.repos["org/new"].commits[commit]
    assert set(files) == {CONFIG_FILE, MODEL_FILE, "README.md"}
    assert b"license: cc0-1.0" in files["README.md"]
    assert tiny_searcher.spec.fingerprint in files["README.md"].decode()
    assert pull(f"org/new@{commit}").result["fingerprint"] == tiny_searcher.spec.fingerprint

    (tmp_path / "copy").mkdir()
    for name in (CONFIG_FILE, MODEL_FILE):
        (tmp_path / "copy" / name).write_bytes(files[name])
    copy = PersonSearcher.from_pretrained(tmp_path / "copy", device="cpu")
    scene, boxes = toy_scene([(0, 10, 10)]), [(10, 10, 30, 70)]
    assert (copy.embed_boxes(scene, boxes) == tiny_searcher.embed_boxes(scene, boxes)).all()

    hub.add("org/new", {"README.md": b"written by hand"})
    again = child(PUSH, str(folder), "hf_toy").result
    assert hub.repos["org/new"].commits[str(again)]["README.md"] == b"written by hand"


CALIBRATED = PULL.replace("spec.name", "getattr(searcher.calibration, 'dataset', None)")


def test_a_calibration_goes_with_the_weights_and_is_gone_with_them(
    hub: Hub, child: Child, tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "mine")
    calibration(tiny_searcher.spec.fingerprint).save(folder)
    commit = str(child(PUSH, str(folder), "hf_toy").result)
    assert hub.repos["org/new"].commits[commit][CALIBRATION_FILE] == (folder / CALIBRATION_FILE).read_bytes()
    assert child(CALIBRATED, f"org/new@{commit}", "{}").result["name"] == "toys/test"
    hub.requests.clear()
    assert child(CALIBRATED, f"org/new@{commit}", "{}").result["name"] == "toys/test"
    assert hub.requests.total() == 0

    (folder / CALIBRATION_FILE).unlink()
    commit = str(child(PUSH, str(folder), "hf_toy").result)
    assert set(hub.repos["org/new"].commits[commit]) == {CONFIG_FILE, MODEL_FILE, "README.md"}
    assert child(CALIBRATED, f"org/new@{commit}", "{}").result["name"] is None


def test_publish_and_fetch_on_the_command_line(hub: Hub, tiny_searcher: PersonSearcher, tmp_path: Path) -> None:
    folder = tiny_searcher.save_pretrained(tmp_path / "mine")
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_toy",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "personsearch.cli", "weights", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = run("publish", str(folder), "org/new", "--license", "cc0-1.0", "--train-data", "toys", "--json")
    published = json.loads(done.stdout)
    assert published["fingerprint"] == tiny_searcher.spec.fingerprint
    assert published["revision"] in hub.repos["org/new"].commits
    fetched = run("fetch", f"org/new@{published['revision']}", "--cache-dir", str(tmp_path / "kept"))
    where = Path(fetched.stdout.strip())
    assert {CONFIG_FILE, MODEL_FILE} <= {file.name for file in where.iterdir()}
    wrong = run("fetch", "org/none")
    assert wrong.returncode == 2
    assert "no such repository" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_names_with_revisions() -> None:
    assert HubName.parse("org/repo@abc") == HubName("org/repo", "abc")
    assert HubName.parse("org/repo", "abc") == HubName("org/repo", "abc")
    assert str(HubName("org/repo", "abc")) == "org/repo@abc"
    with pytest.raises(ConfigError, match="names revision 'a', but revision='b'"):
        HubName.parse("org/repo@a", "b")
    with pytest.raises(ConfigError, match="for repositories on the Hub"):
        PersonSearcher.from_pretrained("./folder", revision="abc")
