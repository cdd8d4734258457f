"""The records of a plan: who is where and when, and which camera sees it."""

from __future__ import annotations

from dataclasses import dataclass

from personsearch.synth.cameras import Camera

#: Kind of a job whose places are photographs.
PHOTO = "photo"


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """One person at one moment.

    Attributes:
        seed: seed of the identity; the person is a pure function of it.
        label: identity number in the plan; -1 = a person without a label.
        outfit: 0 = the usual clothes; above 0 = another outfit of the same person.
        position: x, z of the feet, metres.
        heading: direction in which the person walks or looks, radians.
        speed: metres per second; 0 = standing.
        phase: position in the cycle of two steps, 0..1.
        act: seed of what the person does in this passage (telephones, hands in pockets ...); the same in all frames.
        companion_thing: what the person carries or pushes in this passage: umbrella, pram, bicycle, trolley or "".
    """

    seed: int
    label: int
    outfit: int = 0
    position: tuple[float, float]
    heading: float
    speed: float
    phase: float
    act: int
    companion_thing: str = ""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that stands in a photographed place: an occluder, or a hard negative.

    Attributes:
        name: of the prop, see ``synth.world.props``.
        seed: of its shape and colours.
        position: x, z, metres.
        heading: radians.
        indoors: whether it is the one for indoors, where both lists of props have one of that name.
    """

    name: str
    seed: int
    position: tuple[float, float]
    heading: float
    indoors: bool = False


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """The photograph behind the people of a frame.

    Attributes:
        photo: path below the folder of photographs; "" = a plain backdrop.
        panorama: whether it is an equirectangular panorama.
        mirrored: whether left and right are swapped.
        light: name of its light: day, dusk, night, lamp or plain.
        outdoors: whether the sky may light it.
        things: what stands in front of it.
    """

    photo: str
    panorama: bool = False
    mirrored: bool = False
    light: str = "day"
    outdoors: bool = False
    things: tuple[Thing, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture to be drawn.

    Attributes:
        name: file name without folder and suffix, unique in the data set.
        camera: the camera that takes it; hand-held cameras differ from frame to frame.
        time: seconds on the scene's clock.
        light: index into the world's lights.
        seed: seed of everything random in drawing it (noise, motion blur, random background).
        random_background: whether everything but the people is replaced by random texture.
        appearances: the people who are there, including those who will turn out to be hidden.
        backdrop: the photograph that the frame is drawn over; None = the job's drawn world.
    """

    name: str
    camera: Camera
    time: float
    light: int
    seed: int
    random_background: bool = False
    appearances: tuple[Appearance, ...]
    backdrop: Backdrop | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one worker draws in one go: the frames of one camera in one scene, or all hand-held photographs of a scene.

    Attributes:
        split: train or test.
        scene: name of the scene, e.g. ``s3``.
        kind: kind of world; ``photo`` = photographed places, a new one in each frame.
        world_seed: seed of the world.
        camera: name of the camera; the cameras of hand-held photographs have their own names.
        sensor_seed: seed of the camera's sensor; for hand-held photographs the frames' seeds are used instead.
        frames: in order of time.
    """

    split: str
    scene: str
    kind: str
    world_seed: int
    camera: str
    sensor_seed: int
    frames: tuple[Frame, ...]
