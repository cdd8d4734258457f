"""An export for CVAT: "CVAT for images 1.1" XML, and the labels for the constructor of a project.

CVAT keeps of an image only its name, so the camera and the time ride in a tag, ``scene``, which CVAT keeps and exports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from personsearch.exchange.records import PERSON, ExportedScene

#: The label of a tag that says what is known of an image.
SCENE = "scene"
#: Largest number that CVAT is told a person_id may have.
LARGEST = 2**31 - 1


def _attribute(name: str, kind: str, default: str, values: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "mutable": False,
        "input_type": kind,
        "default_value": default,
        "values": list(values) or [default],
    }


def cvat_labels() -> list[dict[str, Any]]:
    """Return the labels as the "Raw" tab of CVAT's constructor takes them."""
    number = ("-1", str(LARGEST), "1")
    return [
        {
            "name": PERSON,
            "type": "rectangle",
            "attributes": [
                _attribute("person_id", "number", "-1", number),
                _attribute("name", "text", ""),
                _attribute("ignore", "checkbox", "false"),
                _attribute("track", "text", ""),
                _attribute("score", "text", ""),
            ],
        },
        {
            "name": SCENE,
            "type": "tag",
            "attributes": [_attribute(name, "text", "") for name in ("image_id", "camera", "time")],
        },
    ]


def cvat_xml(scenes: Sequence[ExportedScene], name: str) -> bytes:
    """Return scenes as annotations that CVAT imports into a task with their pictures: "CVAT 1.1".

    Boxes are written in hundredths of a pixel, as CVAT writes them.

    Args:
        scenes: their pictures are the images of the task.
        name: of the task.
    """
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta>"]
    lines += [f"    <task><name>{_text(name)}</name><size>{len(scenes)}</size><mode>annotation</mode><labels>"]
    for label in cvat_labels():
        lines += [f"      <label><name>{label['name']}</name><type>{label['type']}</type><attributes>"]
        lines += [f"        {_declared(attribute)}" for attribute in label["attributes"]]
        lines += ["      </attributes></label>"]
    lines += ["    </labels></task>", "  </meta>"]
    for number, scene in enumerate(scenes):
        size = f'width="{scene.width}" height="{scene.height}"'
        lines += [f'  <image id="{number}" name={_value(scene.file_name)} {size}>']
        for person in scene.people:
            sides = zip(("xtl", "ytl", "xbr", "ybr"), person.box, strict=True)
            corners = " ".join(f'{side}="{value:.2f}"' for side, value in sides)
            lines += [f'    <box label="{PERSON}" source="auto" occluded="0" {corners} z_order="0">']
            known = {
                "person_id": -1 if person.person_id is None else person.person_id,
                "name": person.name or "",
                "ignore": "false",
                "track": "" if person.track_id is None else person.track_id,
                "score": f"{person.score:.3f}",
            }
            lines += [*_attributes(known), "    </box>"]
        about = {
            "image_id": scene.image_id,
            "camera": scene.camera or "",
            "time": "" if scene.time is None else scene.time,
        }
        lines += [f'    <tag label="{SCENE}" source="auto">', *_attributes(about), "    </tag>", "  </image>"]
    return "\n".join([*lines, "</annotations>", ""]).encode("utf-8", "xmlcharrefreplace")


def _declared(attribute: Mapping[str, Any]) -> str:
    values = "\n".join(attribute["values"])
    parts = {**attribute, "mutable": str(attribute["mutable"]), "values": values}
    return f"<attribute>{''.join(f'<{key}>{_text(str(value))}</{key}>' for key, value in parts.items())}</attribute>"


def _attributes(values: Mapping[str, object]) -> list[str]:
    return [f'      <attribute name="{name}">{_text(str(value))}</attribute>' for name, value in values.items()]


def _text(text: str) -> str:
    """Return a text as XML can hold it: control characters and halves of surrogates cannot be in one at all."""
    return escape("".join(sign if _allowed(ord(sign)) else "\ufffd" for sign in text))


def _value(text: str) -> str:
    return quoteattr("".join(sign if _allowed(ord(sign)) else "\ufffd" for sign in text))


def _allowed(code: int) -> bool:
    return code in (0x9, 0xA) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
