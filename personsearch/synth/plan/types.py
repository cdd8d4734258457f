"""The plan of a data set: who is where when, and which camera sees it. Made before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from personsearch.synth.cameras import Camera


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """One person at one moment.

    Attributes:
        seed: the identity (people are pure functions of it).
        label: identity number in the data set; -1 = a person without a label.
        outfit: 0 = the usual clothes; above, another outfit of the same person.
        position: x, z of the feet, metres.
        heading: radians; where the person walks or looks.
        speed: metres per second; 0 = standing.
        phase: 0..1 in the cycle of two steps.
        act: seed of what the person does in this passage (telephone, hands in pockets ...), the same in all frames.
        companion_thing: "" or what is carried or pushed in this passage: umbrella, pram, bicycle, trolley.
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
class Frame:
    """One picture to be drawn.

    Attributes:
        name: file name without folder and ending, unique in the data set.
        camera: what it is seen with (a hand-held camera is another one in every frame).
        time: seconds on the scene's clock.
        light: index into the world's lights.
        seed: of everything random in drawing it (noise, motion blur, random background).
        random_background: everything but the people is replaced by random texture.
        appearances: who is there; also those who will turn out to be hidden.
    """

    name: str
    camera: Camera
    time: float
    light: int
    seed: int
    random_background: bool = False
    appearances: tuple[Appearance, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one worker draws in one go: the frames of one camera in one scene, or all photographs taken there.

    Attributes:
        split: train or test.
        scene: name of the place, e.g. ``s3``.
        kind: of the world.
        world_seed: of the world.
        camera: name of the camera; a hand-held one's frames have names of their own.
        sensor_seed: the camera's sensor is a pure function of it; a hand-held one's follow from the frames' seeds.
        frames: in order of time.
    """

    split: str
    scene: str
    kind: str
    world_seed: int
    camera: str
    sensor_seed: int
    frames: tuple[Frame, ...]
