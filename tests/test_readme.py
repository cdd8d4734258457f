"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted(README.parent.glob("docs/*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(#[^)]*)?\)")


def block(mark: str, language: str) -> str:
    """Return the first code block of a language after a mark."""
    after = README.read_text().split(f"<!-- ci: {mark} -->", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", after, flags=re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_example_prints_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block("quickstart", "python"), "README.md", "exec"), {})  # noqa: S102  # our own README
    assert capsys.readouterr().out == block("quickstart", "text")
    assert (tmp_path / "matches.png").stat().st_size > 10_000


def test_the_first_example_is_the_quickstart() -> None:
    script = (README.parent / "examples" / "quickstart.py").read_text()
    assert script.split('"""')[2].strip() == block("quickstart", "python").strip()


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in README.parent.glob("docs/*.md"))]
)
def test_links_to_other_pages_lead_somewhere(page: str) -> None:
    path = README.parent / page if (README.parent / page).exists() else README.parent / "docs" / page
    text = path.read_text()
    for target, anchor in LINK.findall(text):
        other = path.parent / target if target else path
        assert other.exists(), f"{page}: {target}"
        if anchor and other.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", other.read_text(), flags=re.MULTILINE)
            anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{target}{anchor}"
