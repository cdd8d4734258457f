"""The finished folder of an adaptation: weights, card, report, and a sheet to look at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from personsearch.durable import write_durably
from personsearch.searcher import PersonSearcher
from personsearch.train.adaptation.folder import CARD, REPORT, SHEET
from personsearch.train.watch import nan_as_none
from personsearch.weights.card import model_card
from personsearch.weights.entries import list_weights

_QUALITY = 88


def write_result(
    folder: Path, searcher: PersonSearcher, report: Mapping[str, Any], sheet: Image.Image, *, name: str, base: str
) -> None:
    """Write the folder that becomes the user's.

    Args:
        folder: is replaced if it exists.
        searcher: the adapted weights.
        report: figures and settings.
        sheet: of :func:`~personsearch.train.adaptation.sheet.before_and_after`.
        name: of the final folder.
        base: name of the weights that adapting began with.
    """
    shutil.rmtree(folder, ignore_errors=True)
    searcher.save_pretrained(folder)
    known = list_weights().get(base)
    plan, used = report["plan"], report["pictures"]
    after = {name: value for name, value in report["figures"]["after"].items() if not name.startswith("false")}
    card = model_card(
        f"./{name}",
        searcher.config,
        report["fingerprint"],
        license=known.license.lower() if known is not None else "other",
        train_data=(
            f"{base}, adapted to one place: {plan['frames']} rendered pictures of people who do not exist over "
            f"{len(used['training'])} pictures of the place without anybody"
        ),
        metrics={f"{name} at this place, on rendered people": value for name, value in after.items()},
    )
    write_durably(folder / CARD, card.encode())
    sheet.save(folder / SHEET, quality=_QUALITY)
    write_durably(folder / REPORT, f"{json.dumps(nan_as_none(dict(report)), indent=1)}\n".encode())
