"""Draw pictures of an empty place, as if they were those of your camera: something to try ``personsearch adapt`` on.

    python benchmarks/empty_drawn_place.py drawn-place/ --kind hall --seed 3
    personsearch adapt drawn-place/ my-weights/ --minutes 20

Nobody and nothing real is in them: a place of the synthetic world, seen by one camera in two kinds of light.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from PIL import Image

from personsearch.synth import load_recipe
from personsearch.synth.photography import Photographer, open_stage_painter
from personsearch.synth.plan import plan
from personsearch.synth.world.types import KINDS


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write 00.jpg, 01.jpg, ...")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--count", type=int, default=8)
    arguments = parser.parse_args()
    small = ["people.per_frame=[1,1]", "train.identities=2", "train.scenes=1", "test.scenes=1", "test.frames=2"]
    changes = [f"seed={arguments.seed}", f'kinds=["{arguments.kind}"]', f"train.frames={arguments.count}", *small]
    recipe = load_recipe("street-small", changes)
    job = plan(recipe)[0]
    painter = open_stage_painter(job, recipe)
    try:
        photographer = Photographer(painter, job, recipe)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(job.frames):
            empty = replace(frame, appearances=(), random_background=False)
            Image.fromarray(photographer.take(empty).image).save(arguments.folder / f"{number:02d}.jpg", quality=92)
    finally:
        painter.close()
    print(f"{len(job.frames)} pictures in {arguments.folder}")


if __name__ == "__main__":
    main()
