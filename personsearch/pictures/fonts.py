"""A font that can write a text. The one that comes with Pillow knows little more than ASCII."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

from personsearch.pictures.drawing import Font, load_font

#: Fonts that systems have, the likeliest first; Pillow looks for them where systems keep fonts.
_NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
)
#: No font has a sign for it, so each draws what it draws for signs that it lacks.
_NO_SIGN = "\uffff"
#: Instead of a sign that no font here has.
_UNKNOWN = "?"


def writable(text: str, size: int) -> tuple[str, Font]:
    """Return a text as it can be drawn here, and the font to draw it with.

    Args:
        text: of one line.
        size: of the font, pixels.

    Returns:
        The text, and of Pillow's own font and the system's the first one that has most of its signs. From a sign that
        it lacks the accents are dropped; what is still not known becomes a question mark.
    """
    names = [None, *(name for name in _NAMES if _found(name, size))]
    name = max(names, key=lambda one: sum(_has(one, sign) for sign in text))
    font = load_font(size) if name is None else ImageFont.truetype(name, size)
    return "".join(sign if _has(name, sign) else _without_accents(name, sign) for sign in text), font


def _without_accents(name: str | None, sign: str) -> str:
    parts = [part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)]
    return "".join(part if _has(name, part) else _UNKNOWN for part in parts)


@cache
def _found(name: str, size: int) -> bool:
    try:
        ImageFont.truetype(name, size)
    except OSError:
        return False
    return True


@cache
def _has(name: str | None, sign: str) -> bool:
    """Whether a font, None = Pillow's own, has a sign."""
    font = load_font(16) if name is None else ImageFont.truetype(name, 16)
    return sign.isspace() or bytes(font.getmask(sign)) != bytes(font.getmask(_NO_SIGN))
