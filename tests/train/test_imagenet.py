import dataclasses
import hashlib
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from personsearch.cli import main
from personsearch.durable import sha256_of
from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.models import ModelConfig, ReidNetwork, build
from personsearch.train import finetune, pretrain, rehearse_finetune, rehearse_pretrain
from personsearch.train.imagenet import FILES, IMAGENET, ImagenetFile, locate_imagenet
from personsearch.train.transfer import start_from, transfer
from personsearch.weights.entries import list_weights
from personsearch.weights.names import HubRepo
from tests.train.imagenet import LAYOUTS, imagenet_file, start_from_imagenet
from tests.train.runs import finetune_config, pretrain_config
from tests.weights import children
from tests.weights.hub_server import Hub

BACKBONE = "resnet18_ibn_a"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home for torch of the test's own, in which nothing was downloaded yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def put(cache: Path, backbone: str, monkeypatch: pytest.MonkeyPatch, *, digits: int = 8) -> Path:
    """Put a made-up file with a fitting name into torch's cache, and enter it as the backbone's public file."""
    imagenet_file(cache / "new.pth", backbone)
    digest = sha256_of(cache / "new.pth")
    path = (cache / "new.pth").rename(cache / f"{backbone}-{digest[:8]}.pth")
    file = ImagenetFile(f"https://example.org/v1/{path.name}", digest[:digits], "nobody (CC0)")
    monkeypatch.setattr("personsearch.train.imagenet.FILES", {backbone: file})
    return path


def test_every_backbone_has_a_file_whose_name_ends_with_its_hash() -> None:
    assert set(FILES) == set(get_args(ModelConfig.model_fields["backbone"].annotation)) == set(LAYOUTS)
    for backbone, file in FILES.items():
        assert file.name == f"{backbone}-{file.sha256[:8]}.pth"  # where torch.hub looks for the hash, too
        assert len(file.sha256) == (8 if "ibn" in backbone else 64)
        assert (file.copy is None) == ("ibn" in backbone)
        if file.copy is not None:  # a commit, which nobody can change afterwards
            assert len(str(file.copy.revision)) == 40
            assert len(str(file.copy_sha256)) == 64
    assert FILES["resnet50"].url == ResNet50_Weights.IMAGENET1K_V1.url
    assert FILES["resnet18"].url == ResNet18_Weights.IMAGENET1K_V1.url


def test_the_word_is_not_the_name_of_packaged_weights() -> None:
    assert IMAGENET not in list_weights()


@pytest.mark.parametrize("digits", [8, 64])
def test_the_file_in_torchs_cache_fills_networks_of_both_steps(
    digits: int, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(cache, BACKBONE, monkeypatch, digits=digits)
    conv = torch.load(path, weights_only=True)["layer2.0.conv1.weight"]
    first = ReidNetwork(BACKBONE, 512)
    with caplog.at_level("INFO"):
        start_from(first, "imagenet")
    assert torch.equal(first.state_dict()["base.layer2.0.conv1.weight"], conv)
    assert f"{path.name}: published by nobody (CC0), trained on ImageNet-1k, whose pictures are for non-" in caplog.text
    assert f"from {path}; left as built: identification.bnneck" in caplog.text
    small = {"detector": {"head_width": 16}, "reid": {"roi_size": (8, 4)}}
    network = build(ModelConfig.model_validate({"backbone": BACKBONE, **small}))
    transfer(network, "imagenet")
    assert torch.equal(network.state_dict()["pooling.neck.0.conv1.weight"], conv)


@pytest.mark.parametrize("backbone", LAYOUTS)
def test_each_backbone_asks_for_its_own_file(backbone: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {name: dataclasses.replace(file, copy=None) for name, file in FILES.items()}
    monkeypatch.setattr("personsearch.train.imagenet.FILES", alone)
    url = alone[backbone].url
    message = (
        f"imagenet: {alone[backbone].name} ({url}) is not in {cache}. With a connection, get it once by\n"
        f"  python -c \"import torch; torch.hub.load_state_dict_from_url('{url}', map_location='cpu', check_hash=True, "
        f'weights_only=True)"\nor name a file of such weights that you have: init=./{alone[backbone].name}'
    )
    with pytest.raises(WeightsNotFoundError) as caught:
        transfer(ReidNetwork(backbone, 2048 if "50" in backbone else 512), "imagenet")
    assert str(caught.value) == message


def test_a_file_that_is_not_what_its_name_says_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(cache, BACKBONE, monkeypatch)
    path.write_bytes(path.read_bytes()[:-1])
    expected, actual = path.stem[-8:], sha256_of(path)[:8]
    message = rf"{path}: damaged, .* its sha256 begins with {actual}, not {expected}; delete it and get it again by\n"
    with pytest.raises(WeightsMismatchError, match=message):
        locate_imagenet(BACKBONE)


def test_a_folder_of_that_name_is_not_meant(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(cache, BACKBONE, monkeypatch)
    (tmp_path / "imagenet").mkdir()
    (tmp_path / "imagenet" / "net.pth").touch()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        assert transfer(ReidNetwork(BACKBONE, 512), "imagenet").source == str(path)
    assert "the public weights are taken; write ./imagenet for what is here" in caplog.text
    for here in ("./imagenet", Path("imagenet")):
        with pytest.raises(WeightsNotFoundError, match=r"imagenet: holds neither model\.safetensors nor"):
            transfer(ReidNetwork(BACKBONE, 512), here)


def test_a_local_file_is_an_init_as_well(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagenet_file(tmp_path / "mine.pth", BACKBONE)
    monkeypatch.chdir(tmp_path)
    assert transfer(ReidNetwork(BACKBONE, 512), "./mine.pth").loaded


@pytest.mark.parametrize("init", ["imagenet", "./no/weights"])
def test_what_is_not_there_is_said_before_the_data_is_read(init: str, cache: Path, tmp_path: Path) -> None:
    nowhere, message = tmp_path / "nowhere.json", r"is not in .*checkpoints|\./no/weights: no such folder"
    first, second = (make(tmp_path / "run", nowhere, init=init) for make in (pretrain_config, finetune_config))
    for step, config in (
        (pretrain, first),
        (rehearse_pretrain, first),
        (finetune, second),
        (rehearse_finetune, second),
    ):
        with pytest.raises(WeightsNotFoundError, match=message):
            step(config)  # type: ignore[operator]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_of_the_papers_recipe_says_how_to_get_the_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = ["train", "pretrain", "prw-pretrain", "--dry-run", f"run.out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["personsearch", *recipe])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"  {FILES['resnet50_ibn_a'].command}\n" in capsys.readouterr().err


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder as a website; yields its address and the folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_the_command_in_the_message_gets_the_file(
    cache: Path, site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = site
    path = put(cache, BACKBONE, monkeypatch)
    path.rename(folder / path.name)
    file = ImagenetFile(f"{address}/{path.name}", path.stem[-8:], "nobody")
    monkeypatch.setattr("personsearch.train.imagenet.FILES", {BACKBONE: file})
    with pytest.raises(WeightsNotFoundError) as caught:
        locate_imagenet(BACKBONE)
    command = shlex.split(str(caught.value).splitlines()[1])
    assert command[:2] == ["python", "-c"]
    subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True, timeout=120)
    assert locate_imagenet(BACKBONE) == path


class TestTheCopyOnTheHub:
    backbone = "resnet18"

    @pytest.fixture
    def hub(self) -> Iterator[Hub]:
        with Hub() as server:
            yield server

    def start(self, hub: Hub, tmp_path: Path, commit: str, digest: str, **environment: str) -> dict[str, Any]:
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TORCH_HOME": str(tmp_path / "torch"),
            **environment,
        }
        return children.run(
            start_from_imagenet, self.backbone, "0" * 8, ("org/copy", commit, digest), environment=settings
        )

    def test_is_fetched_once_and_then_found_offline(self, hub: Hub, tmp_path: Path) -> None:
        data = save(imagenet_file(tmp_path / "net.pth", self.backbone))
        commit, digest = hub.add("org/copy", {"model.safetensors": data}), hashlib.sha256(data).hexdigest()
        hub.add("org/copy", {"model.safetensors": b"another commit"})
        first = self.start(hub, tmp_path, commit, digest)
        assert f"{commit}/model.safetensors; left as built: identification.bnneck" in first["report"]
        asked = hub.requests.copy()
        assert self.start(hub, tmp_path, commit, digest, HF_HUB_OFFLINE="1") == first
        assert hub.requests == asked
        other = self.start(hub, tmp_path, commit, "f" * 64)
        assert other["error"] == "WeightsMismatchError"
        assert f"its sha256 is {digest}, not {'f' * 64}; delete it, so that it is fetched again" in other["text"]

    def test_that_cannot_be_had_leaves_the_command(self, hub: Hub, tmp_path: Path) -> None:
        commit = hub.add("org/copy", {"README.md": b"moved"})
        reasons = {
            "offline": f"org/copy@{commit}: model.safetensors: not in the Hub's cache, and the Hub cannot be reached",
            "moved": f"org/copy@{commit}: model.safetensors: the repository has no such file",
        }
        for name, reason in reasons.items():
            offline = {"HF_HUB_OFFLINE": "1"} if name == "offline" else {}
            result = self.start(hub, tmp_path, commit, "0" * 64, **offline)
            assert result["error"] == "WeightsNotFoundError"
            assert f"checkpoints, and its copy cannot be had: {reason}" in result["text"]
            assert result["text"].count("python -c") == 1
            assert "personsearch weights fetch" not in result["text"]


def test_copies_are_single_files_of_a_commit() -> None:
    copies = [file.copy for file in FILES.values() if file.copy is not None]
    assert [str(one) for one in copies] == [f"hf://{one.repo}@{one.revision}/model.safetensors" for one in copies]
    assert all(isinstance(one, HubRepo) for one in copies)
