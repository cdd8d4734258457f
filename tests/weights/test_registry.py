import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from personsearch import PersonSearcher, list_weights
from personsearch.calibration import CALIBRATION_FILE
from personsearch.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from personsearch.weights import registry
from personsearch.weights.entries import WeightsEntry, WeightsFile, entry_of
from personsearch.weights.files import CONFIG_FILE, MODEL_FILE
from personsearch.weights.names import Folder, Packaged, TensorFile, parse_name
from personsearch.weights.registry import DEFAULT, load_weights, locate

NAME = "stl-mrfp-small"


def test_the_embedded_weights_are_what_the_registry_says(searcher: PersonSearcher) -> None:
    entry = entry_of(NAME)
    assert searcher.config.name == entry.arch == "stl-mrfp-small"
    assert entry.license == "CC0-1.0"
    assert sum(file.bytes for file in entry.files) < 30e6
    for file in entry.files:
        path = Path(str(files("personsearch"))) / entry.package / file.name
        assert path.stat().st_size == file.bytes
    assert searcher.spec == load_weights(DEFAULT).spec


def test_the_embedded_weights_have_the_fingerprint_that_galleries_know(searcher: PersonSearcher) -> None:
    """It changes with the weights alone: a new setting that is not used must not change it."""
    present = "6f436bc66c18d79f7be37db96ceb17b7599bc5d83180411e67dbbd0992c65cd9"
    assert searcher.spec.fingerprint == present
    folder = Path(str(files("personsearch"))) / entry_of(NAME).package
    assert json.loads((folder / CALIBRATION_FILE).read_text())["weights"] == present
    assert json.loads((folder / CONFIG_FILE).read_text()) == searcher.config.model_dump(mode="json")


def test_the_card_lies_beside_the_weights() -> None:
    for entry in list_weights().values():
        card = Path(str(files("personsearch"))) / entry.package / "README.md"
        assert "license: cc0-1.0" in card.read_text()


def test_a_folder_copy_has_the_same_fingerprint(searcher: PersonSearcher, tmp_path: Path) -> None:
    source = Path(str(files("personsearch"))) / entry_of(NAME).package
    shutil.copytree(source, tmp_path / "copy")
    copy = PersonSearcher.from_pretrained(tmp_path / "copy", device="cpu")
    assert copy.spec.fingerprint == searcher.spec.fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stl-mrfp-smal", "no weights of this name; there are stl-mrfp-small"),
        ("./nowhere", "no such folder"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str) -> None:
    with pytest.raises(WeightsNotFoundError, match=message):
        PersonSearcher.from_pretrained(name)


def test_the_default_loads_where_a_folder_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NAME).mkdir()
    monkeypatch.chdir(tmp_path)
    assert PersonSearcher.from_pretrained(device="cpu").spec.name == NAME
    with pytest.raises(ConfigError, match=rf"write \./{NAME} for it, or package://{NAME} for the weights of that name"):
        PersonSearcher.from_pretrained(NAME, device="cpu")


def test_a_folder_is_named_so_that_its_name_loads_it_again(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tiny_searcher.save_pretrained("runs/mine/weights")
    spec = PersonSearcher.from_pretrained(folder, device="cpu").spec
    assert spec.name == "./runs/mine/weights"
    assert PersonSearcher.from_pretrained(spec.name, device="cpu").spec == spec
    assert PersonSearcher.from_pretrained("runs/mine/weights", device="cpu").spec == spec  # as training prints it


def test_a_folder_that_looks_like_a_repository_is_loaded_and_the_hub_is_not_asked(
    tiny_searcher: PersonSearcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "fetch", lambda *_: pytest.fail("the Hub was asked"))
    tiny_searcher.save_pretrained("run-good/weights")
    loaded = PersonSearcher.from_pretrained("run-good/weights", device="cpu")
    assert loaded.spec.name == "./run-good/weights"
    assert loaded.spec.fingerprint == tiny_searcher.spec.fingerprint
    for name in ("run-good", "./run-good"):
        with pytest.raises((ConfigError, WeightsNotFoundError), match=r"weights are in (\./)?run-good/weights"):
            PersonSearcher.from_pretrained(name, device="cpu")
    Path("org/repo").mkdir(parents=True)
    with pytest.raises(ConfigError, match="a folder without weights has this name"):
        PersonSearcher.from_pretrained("org/repo", device="cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./model.safetensors", r"\./model\.safetensors: a file of tensors has no configuration.*give the folder"),
        ("resnet50_ibn_a.pth", "for a recipe's init"),
        (Path("weights/net.pt"), r"\./weights/net\.pt: a file of tensors"),
        ("hf://org/repo/net.pth", "hf://org/repo/net.pth: names one file of a repository.*write hf://org/repo"),
    ],
)
def test_a_lone_file_cannot_be_searched_with(name: str | Path, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PersonSearcher.from_pretrained(name)


def test_a_revision_is_for_repositories() -> None:
    for name in (NAME, "./folder", Path("folder")):
        with pytest.raises(ConfigError, match=r"revision='abc' is for repositories on the Hub \(org/repo\) only"):
            PersonSearcher.from_pretrained(name, revision="abc")


def test_locate_returns_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"")
    assert locate(Folder(tmp_path)) == tmp_path
    assert locate(TensorFile(tmp_path / "net.pth")) == tmp_path / "net.pth"
    assert (locate(Packaged(NAME)) / MODEL_FILE).is_file()
    with pytest.raises(WeightsNotFoundError, match="no such folder"):
        locate(Folder(tmp_path / "none"))
    with pytest.raises(WeightsNotFoundError, match="no such file"):
        locate(TensorFile(tmp_path / "none.pth"))


def test_every_entry_has_a_name_that_means_it() -> None:
    for name in list_weights():
        assert parse_name(name) == parse_name(f"package://{name}") == Packaged(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repo": "org/repo"}, "give either package or repo"),
        ({"package": None}, "give either package or repo"),
        ({"package": None, "repo": "org/repo"}, "a repo needs its revision"),
        ({"package": None, "repo": "org/repo", "revision": "main"}, "revision"),
        ({"files": ()}, "files"),
    ],
)
def test_entries_that_make_no_sense(changes: dict[str, object], message: str) -> None:
    entry = entry_of(NAME).model_dump()
    with pytest.raises(ValueError, match=message):
        WeightsEntry.model_validate({**entry, **changes})


def test_a_wrong_hash_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(NAME)
    wrong = tuple(
        WeightsFile(name=file.name, sha256="0" * 64, bytes=file.bytes) if file.name == MODEL_FILE else file
        for file in entry.files
    )
    monkeypatch.setattr(registry, "entry_of", lambda _: entry.model_copy(update={"files": wrong}))
    with pytest.raises(WeightsMismatchError, match=r"model\.safetensors: sha256 is .* but weights\.toml says 000"):
        load_weights(DEFAULT)
