"""An export for Label Studio: tasks with predictions, and the labelling configuration of a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from personsearch.exchange.records import IGNORE, IMAGES, PERSON, ExportedPerson, ExportedScene

#: The control that says who a region is; ``personsearch.datasets.formats.label_studio`` reads it.
PERSON_ID = "person_id"

LABELLING = f"""<View>
  <Image name="image" value="$image" zoom="true" zoomControl="true"/>
  <RectangleLabels name="label" toName="image">
    <Label value="{PERSON}" background="#1f77b4"/>
    <Label value="{IGNORE}" background="#7f7f7f"/>
  </RectangleLabels>
  <TextArea name="{PERSON_ID}" toName="image" perRegion="true" displayMode="region-list" editable="true"
            maxSubmissions="1" rows="1" placeholder="number of the person; leave empty if unknown"/>
</View>
"""


def label_studio_tasks(scenes: Sequence[ExportedScene], model: str) -> list[dict[str, Any]]:
    """Return scenes as tasks whose predictions are the boxes, in percent of the picture.

    The pictures are served by Label Studio from the folder of the export
    (``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``), of whose folder ``images`` the project has a local storage.

    Args:
        scenes: of the export.
        model: name of the weights that found the people.
    """
    return [
        {
            "data": {
                "image": f"/data/local-files/?d={quote(f'{IMAGES}/{scene.file_name}')}",
                "width": scene.width,
                "height": scene.height,
                "image_id": scene.image_id,
                **{key: value for key in ("camera", "time") if (value := getattr(scene, key)) is not None},
            },
            "predictions": [
                {
                    "model_version": model,
                    # The least certain box decides: tasks with doubtful ones can be sorted to the front.
                    "score": min((person.score for person in scene.people), default=1.0),
                    "result": [
                        part
                        for number, person in enumerate(scene.people)
                        for part in _region(person, number, scene.width, scene.height)
                    ],
                }
            ],
        }
        for scene in scenes
    ]


def _region(person: ExportedPerson, number: int, width: int, height: int) -> list[dict[str, Any]]:
    """Return the parts of a region, which share an id: its box, and who it is."""
    x1, y1, x2, y2 = person.box
    place = {
        "x": 100 * x1 / width,
        "y": 100 * y1 / height,
        "width": 100 * (x2 - x1) / width,
        "height": 100 * (y2 - y1) / height,
        "rotation": 0,
    }
    name = f"found{number}" if person.detection_id is None else f"detection{person.detection_id}"
    common = {
        "id": name,
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    known = {"name": person.name, "track": person.track_id, "score": f"{person.score:.2f}"}
    about = ", ".join(f"{key} {value}" for key, value in known.items() if value is not None)
    box = common | {
        "type": "rectanglelabels",
        "from_name": "label",
        "value": place | {"rectanglelabels": [PERSON]},
        "score": person.score,
        "meta": {"text": [about]},
    }
    if person.person_id is None:
        return [box]
    who = common | {"type": "textarea", "from_name": PERSON_ID, "value": place | {"text": [str(person.person_id)]}}
    return [box, who]
