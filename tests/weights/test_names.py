import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personsearch.errors import ConfigError
from personsearch.weights.names import Folder, HubRepo, Packaged, TensorFile, WeightsName, parse_name, parse_repo

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("stl-mrfp-small", Packaged("stl-mrfp-small")),
        ("package://stl-mrfp-small", Packaged("stl-mrfp-small")),
        ("./weights", Folder(Path("weights"))),
        ("../runs/a/weights/", Folder(Path("../runs/a/weights"))),
        (".", Folder(Path())),
        ("/runs/a", Folder(Path("/runs/a"))),
        (Path("weights"), Folder(Path("weights"))),
        (Path("org/repo"), Folder(Path("org/repo"))),
        ("net.pth", TensorFile(Path("net.pth"))),
        ("./net.PT", TensorFile(Path("net.PT"))),
        ("runs/a/model.safetensors", TensorFile(Path("runs/a/model.safetensors"))),
        (Path("net.pt"), TensorFile(Path("net.pt"))),
        ("org/repo", HubRepo("org/repo")),
        ("org/repo.v1", HubRepo("org/repo.v1")),
        (f"org/repo@{COMMIT}", HubRepo("org/repo", COMMIT)),
        ("org/repo@feature/x", HubRepo("org/repo", "feature/x")),
        ("org/repo@refs/pr/3", HubRepo("org/repo", "refs/pr/3")),
        ("hf://org/repo", HubRepo("org/repo")),
        ("hf://org/repo@v1", HubRepo("org/repo", "v1")),
        ("hf://org/net.pth", HubRepo("org/net.pth")),
        ("hf://org/repo/net.pth", HubRepo("org/repo", None, "net.pth")),
        ("hf://org/repo@v1/sub/net.pth", HubRepo("org/repo", "v1", "sub/net.pth")),
        ("hf://org/repo@refs/pr/3", HubRepo("org/repo", "refs/pr/3")),
        ("hf://org/repo@refs/pr/3/net.pth", HubRepo("org/repo", "refs/pr/3", "net.pth")),
    ],
)
def test_what_a_name_means(name: str | Path, meaning: WeightsName) -> None:
    assert parse_name(name) == meaning


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("runs/synth-pretrain/weights", r"write \./runs/synth-pretrain/weights for a folder or file"),
        ("org/repo/", r"write \./org/repo/ for a folder"),
        ("org/repo@", r"write \./org/repo@ for a folder"),
        ("", "not a name of weights"),
        ("package://", "not a name of weights"),
        ("package://org/repo", "not a name of weights"),
        ("small@v1", "only repositories on the Hub"),
        ("hf://org", "write hf://org/repo, hf://org/repo@revision or hf://org/repo/file.pth"),
        ("hf://org/repo/", "write hf://org/repo"),
        ("https://huggingface.co/org/repo", "write hf://org/repo for a repository on the Hub"),
        ("~nobody-of-this-name/weights", r"no such home folder; write the whole path, or \./~nobody"),
    ],
)
def test_what_is_no_name(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_name(name)


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_name("~/weights") == Folder(tmp_path / "weights")
    assert parse_name(Path("~/net.pth")) == TensorFile(tmp_path / "net.pth")
    assert parse_name("./~/weights") == Folder(Path("~/weights"))


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize(
    ("name", "otherwise"),
    [("mine", "package://mine"), ("org/repo", "hf://org/repo"), ("org/repo@v1", "hf://org/repo@v1")],
)
def test_a_name_that_also_exists_on_the_disk_is_refused_with_both_spellings(
    name: str, otherwise: str, kind: str
) -> None:
    without = parse_name(name)
    Path(name).parent.mkdir(exist_ok=True)
    if kind == "folder":
        Path(name).mkdir()
    else:
        Path(name).touch()
    what = "folder without weights" if kind == "folder" else "file"
    message = f"{name}: ambiguous, because a {what} has this name; write ./{name} for it, or {otherwise} for the "
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_name(name)
    assert parse_name(otherwise) == without
    local = Folder(Path(name)) if kind == "folder" else TensorFile(Path(name))
    assert parse_name(f"./{name}") == parse_name(Path(name)) == local


def weights_at(path: str | Path, file: str = "model.safetensors") -> None:
    Path(path).mkdir(parents=True, exist_ok=True)
    (Path(path) / file).touch()


@pytest.mark.parametrize("file", ["model.safetensors", "backbone.safetensors", "net.PTH"])
@pytest.mark.parametrize(
    ("name", "otherwise"),
    [("mine", "package://mine"), ("run-good/weights", "hf://run-good/weights"), ("org/repo@v1", "hf://org/repo@v1")],
)
def test_a_folder_with_weights_is_the_folder_and_the_log_says_so(
    name: str, otherwise: str, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    without = parse_name(name)
    weights_at(name, file)
    with caplog.at_level("INFO", logger="personsearch"):
        assert parse_name(name) == parse_name(f"./{name}") == Folder(Path(name))
    [record] = caplog.records
    assert record.getMessage().startswith(f"weights {name}: the folder ./{name} is taken; write {otherwise} for the ")
    assert parse_name(otherwise) == without


@pytest.mark.parametrize(
    "name", ["runs/ft/weights", "runs/ft/weights/", "run-good/weights/", "runs/new folder/weights"]
)
def test_a_folder_that_nothing_else_could_mean_is_the_folder(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"write ./{name} for a folder or file (there is none here now)")):
        parse_name(name)
    Path(name).mkdir(parents=True)
    assert parse_name(name) == Folder(Path(name))  # with or without weights: what is missing is said when it is read
    assert not caplog.records


def test_a_run_s_folder_says_where_its_weights_are() -> None:
    weights_at("run/weights")
    weights_at("runs/a/weights")
    for name in ("run", "runs/a"):
        with pytest.raises(ConfigError, match=re.escape(f"for it (its weights are in ./{name}/weights), or ")):
            parse_name(name)


def test_a_folder_that_may_not_be_read_is_not_asked_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    weights_at("org/repo")

    def refuse(_self: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match="ambiguous, because a folder without weights has this name"):
        parse_name("org/repo")


def test_what_lies_at_a_path_decides_between_folder_and_file() -> None:
    Path("folder.pt").mkdir()
    Path("net.pth.tar").touch()
    assert parse_name("./folder.pt") == parse_name("folder.pt") == Folder(Path("folder.pt"))
    assert parse_name("./net.pth.tar") == TensorFile(Path("net.pth.tar"))


def test_a_revision_beside_the_name() -> None:
    assert parse_name("org/repo", "v1") == parse_name("org/repo@v1", "v1") == HubRepo("org/repo", "v1")
    assert parse_name("hf://org/repo/net.pth", "feature/x") == HubRepo("org/repo", "feature/x", "net.pth")
    with pytest.raises(ConfigError, match="names revision 'a', but revision='b' was given too"):
        parse_name("org/repo@a", "b")
    for name in ("small", "./folder", "net.pth", Path("folder")):
        with pytest.raises(ConfigError, match="revision='v1' is for repositories"):
            parse_name(name, "v1")


def test_a_revision_says_that_a_repository_is_meant() -> None:
    weights_at("org/repo")
    assert parse_name("org/repo", "v1") == HubRepo("org/repo", "v1")


def test_repositories_to_publish_to() -> None:
    assert parse_repo("org/repo") == parse_repo("hf://org/repo") == "org/repo"
    for name in ("repo", "org/repo@main", "org/repo/file", "./org", "package://org", ""):
        with pytest.raises(ConfigError, match="not the name of a repository on the Hub; write org/repo"):
            parse_repo(name)


SUFFIXES = (".pth", ".pt", ".safetensors")
WORDS = st.text("abcxyz019-_.", min_size=1, max_size=8).filter(lambda word: word.strip(".") == word)
PLAIN = WORDS.filter(lambda word: not word.endswith(SUFFIXES))
PATHS = st.builds(lambda root, parts: Path(root, *parts), st.sampled_from(["", "/", ".."]), st.lists(PLAIN, min_size=1))
FILES = st.builds(lambda path, suffix: path.with_name(path.name + suffix), PATHS, st.sampled_from(SUFFIXES))
REPOS = st.builds("{}/{}".format, WORDS, PLAIN)
REVISIONS = st.none() | WORDS.filter(lambda word: "." not in word)


@given(
    PLAIN.map(Packaged)
    | PATHS.map(Folder)
    | FILES.map(TensorFile)
    | st.builds(HubRepo, REPOS, REVISIONS, st.none() | WORDS | st.builds("{}/{}".format, WORDS, WORDS))
)
def test_the_text_of_a_meaning_has_that_meaning(meaning: WeightsName) -> None:
    assert parse_name(str(meaning)) == meaning


@given(st.text("ab./@:~-", min_size=1))
def test_a_string_that_begins_like_a_path_is_never_anything_else(text: str) -> None:
    assert isinstance(parse_name(f"./{text}"), Folder | TensorFile)
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_name(text), Folder | TensorFile) == text.startswith((".", "/", "~"))
