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
        The text itself with Pillow's own font or else the first of the system's that has all of its signs. Where none
        has, accents are dropped, and what is still not known becomes a question mark.
    """
    own = load_font(size)
    if all(_has(None, sign) for sign in text):
        return text, own
    for name in _NAMES:
        if _found(name, size) and all(_has(name, sign) for sign in text):
            return text, ImageFont.truetype(name, size)
    plain = (unicodedata.normalize("NFKD", sign) for sign in text)
    kept = ("".join(part for part in signs if not unicodedata.combining(part)) for signs in plain)
    return "".join(sign if _has(None, sign) else _UNKNOWN for signs in kept for sign in signs), own


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
