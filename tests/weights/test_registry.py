import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from personsearch import PersonSearcher, list_weights
from personsearch.errors import WeightsMismatchError, WeightsNotFoundError
from personsearch.weights import registry
from personsearch.weights.files import MODEL_FILE
from personsearch.weights.registry import DEFAULT, WeightsFile, entry_of, resolve


def test_the_embedded_weights_are_what_the_registry_says(searcher: PersonSearcher) -> None:
    entry = entry_of(DEFAULT)
    assert searcher.config.name == entry.arch == "stl-mrfp-small"
    assert entry.license == "CC0-1.0"
    assert sum(file.bytes for file in entry.files) < 30e6
    for file in entry.files:
        path = Path(str(files("personsearch"))) / entry.package / file.name
        assert path.stat().st_size == file.bytes
    assert searcher.spec.fingerprint == resolve(DEFAULT).fingerprint


def test_the_card_lies_beside_the_weights() -> None:
    for entry in list_weights().values():
        card = Path(str(files("personsearch"))) / entry.package / "README.md"
        assert "license: cc0-1.0" in card.read_text()


def test_a_folder_copy_has_the_same_fingerprint(searcher: PersonSearcher, tmp_path: Path) -> None:
    source = Path(str(files("personsearch"))) / entry_of(DEFAULT).package
    shutil.copytree(source, tmp_path / "copy")
    copy = PersonSearcher.from_pretrained(tmp_path / "copy", device="cpu")
    assert copy.spec.fingerprint == searcher.spec.fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stl-mrfp-smal", "no such weights; there are stl-mrfp-small"),
        ("./nowhere", "no such folder"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str) -> None:
    with pytest.raises(WeightsNotFoundError, match=message):
        PersonSearcher.from_pretrained(name)


def test_a_folder_of_the_same_name_is_never_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsNotFoundError, match=r"For a folder write \./mine"):
        resolve("mine")


def test_a_wrong_hash_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(DEFAULT)
    wrong = tuple(
        WeightsFile(name=file.name, sha256="0" * 64, bytes=file.bytes) if file.name == MODEL_FILE else file
        for file in entry.files
    )
    monkeypatch.setattr(registry, "entry_of", lambda _: entry.model_copy(update={"files": wrong}))
    with pytest.raises(WeightsMismatchError, match=r"model\.safetensors: sha256 is .* weights\.toml says 000"):
        resolve(DEFAULT)
