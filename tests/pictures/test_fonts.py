from pathlib import Path

import pytest
from PIL import ImageFont

from personsearch.pictures import fonts
from personsearch.pictures.drawing import load_font
from personsearch.pictures.fonts import writable

#: A font that many systems have; without it there is nothing to choose from.
DEJAVU = next(Path("/usr/share/fonts").rglob("DejaVuSans.ttf"), None) if Path("/usr/share/fonts").exists() else None


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    fonts._found.cache_clear()
    fonts._has.cache_clear()


def test_what_pillows_font_knows_is_written_with_it() -> None:
    text, font = writable("Anna 3, s2c1", 14)
    assert text == "Anna 3, s2c1"
    assert font.getname() == load_font(14).getname()  # type: ignore[union-attr]
    assert font.size == 14  # type: ignore[union-attr]


@pytest.mark.skipif(DEJAVU is None, reason="DejaVu Sans is not installed")
def test_other_signs_are_written_with_a_font_of_the_system() -> None:
    for name in ("Żółć", "Дмитрий"):
        text, font = writable(name, 17)
        assert text == name
        assert isinstance(font, ImageFont.FreeTypeFont)
        assert font.getname()[0] == "DejaVu Sans"
        assert font.size == 17
    assert writable("Дмитрий \U0010fffd", 17)[0] == "Дмитрий ?"  # no font has all


def test_without_one_accents_are_dropped_and_the_rest_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_NAMES", ("no-such-font.ttf",))
    assert writable("Zoë Żuk", 14)[0] == "Zoe Zuk"
    assert writable("Anna 张伟", 14)[0] == "Anna ??"
    assert writable("\U0010fffd", 14)[0] == "?"
