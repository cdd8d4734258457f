"""Identities: body, hair, clothes and bag as a pure function of a seed, printable as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from personsearch.synth.people import palette
from personsearch.synth.people.body import Build
from personsearch.synth.people.palette import Rgb, dyed, pick
from personsearch.synth.people.pose import Gait

GROUP = 4
"""Seeds 4n .. 4n + 3 form one group; where look-alikes are wanted, the members of some groups look alike."""

Pattern = Literal[
    "plain", "stripes", "pinstripes", "plaid", "dots", "camouflage", "two_tone", "checks", "marl", "gradient",
    "chest_band",
]  # fmt: skip
PATTERNS: dict[Pattern, float] = {
    "plain": 50, "stripes": 10, "pinstripes": 3, "plaid": 9, "dots": 5, "camouflage": 5, "two_tone": 6, "checks": 1,
    "marl": 5, "gradient": 3, "chest_band": 3,
}  # fmt: skip
TROUSER_PATTERNS: dict[Pattern, float] = {"plain": 78, "pinstripes": 4, "plaid": 5, "camouflage": 4, "marl": 9}
SKIRT_PATTERNS: dict[Pattern, float] = {"plain": 50, "stripes": 10, "plaid": 15, "dots": 10, "camouflage": 8, "marl": 7}
#: Repeats per metre.
PATTERN_SCALE: dict[Pattern, tuple[float, float]] = {
    "stripes": (8, 30), "pinstripes": (15, 40), "plaid": (6, 20), "dots": (12, 35), "camouflage": (6, 20),
    "checks": (10, 25), "marl": (4, 20), "chest_band": (10, 25),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Cloth with a pattern of up to three sRGB colours and ``scale`` repeats per metre."""

    pattern: Pattern
    colours: tuple[Rgb, Rgb, Rgb]
    scale: float


@dataclass(frozen=True, kw_only=True)
class Top:
    """What is worn above the waist.

    Attributes:
        cut: tshirt, longsleeve, shirt, blouse, tank, jacket, puffer, coat or dress.
        fabric: its cloth.
        sleeve: where the sleeves end: 0 shoulder, 1 elbow, 2 wrist.
        looseness: 0 tight .. 1 loose.
        hem: height above the crotch at which a short top ends, metres.
        tucked: whether it is tucked into the bottom.
        length: where a coat or dress ends: 0 hip, 1 knee, 2 ankle.
        flare: how much a coat or dress widens; 1 = straight.
        front: closed, zip (a contrasting line) or open (the inner shirt shows).
        inner: sRGB of the inner shirt, under a jacket, coat or shirt.
        print_size: size of the print on the chest, metres; 0 = no print.
        print_seed: seed of the print.
    """

    cut: str
    fabric: Fabric
    sleeve: float
    looseness: float
    hem: float
    tucked: bool
    length: float
    flare: float
    front: str
    inner: Rgb
    print_size: float
    print_seed: int


@dataclass(frozen=True, kw_only=True)
class Bottom:
    """What is worn below the waist.

    Attributes:
        cut: trousers, wide, cropped, shorts, leggings, skirt or bare (under a dress).
        fabric: its cloth.
        looseness: 0 tight .. 1 loose.
        length: where it ends: 0 hip, 1 knee, 2 ankle.
        flare: how much a skirt widens; 1 = straight.
    """

    cut: str
    fabric: Fabric
    looseness: float
    length: float
    flare: float


@dataclass(frozen=True, kw_only=True)
class Shoes:
    """Shoes, or boots, that reach up to ``height`` (1 knee, 2 ankle); ``colour`` and ``sole`` are sRGB."""

    colour: Rgb
    sole: Rgb
    height: float


@dataclass(frozen=True, kw_only=True)
class Head:
    """Hair, face and what is worn on the head.

    Attributes:
        hair: bald, crop, short, bob, long, bun or pony.
        hair_colour: sRGB.
        hair_length: 0..1 within the hair style.
        parting: -1 right .. 1 left.
        beard: 0 none .. 1 full.
        brow: sRGB of the eyebrows.
        iris: sRGB of the irises.
        glasses: whether the person wears glasses.
        hat: cap, beanie, brim or "".
        hat_colour: sRGB.
    """

    hair: str
    hair_colour: Rgb
    hair_length: float
    parting: float
    beard: float
    brow: Rgb
    iris: Rgb
    glasses: bool
    hat: str
    hat_colour: Rgb


@dataclass(frozen=True, kw_only=True)
class Bag:
    """A bag of kind backpack, crossbody, shoulder, handbag or "", on ``side`` l or r; ``size`` 1 = medium."""

    kind: str
    colour: Rgb
    size: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One person. ``skin`` and ``scarf`` are sRGB; ``scarf`` is None if there is none."""

    seed: int
    build: Build
    skin: Rgb
    head: Head
    top: Top
    bottom: Bottom
    shoes: Shoes
    bag: Bag
    scarf: Rgb | None
    gait: Gait

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers, ready for JSON."""
        return asdict(self)


def sample_identity(seed: int, *, look_alikes: float = 0.0, patterns: bool = True, bags: bool = True) -> Identity:
    """Return the person of a seed.

    Args:
        seed: any integer >= 0.
        look_alikes: share of the groups of four seeds who look alike. In half of them all wear the same clothes, in
            the other half one thing is changed for each. Bodies, faces and gaits remain individual.
        patterns: False = plain cloth without prints, to measure what patterns contribute.
        bags: False = nobody carries a bag.

    Returns:
        The same identity for the same arguments, on any machine.
    """
    identity = _sample_alone(seed)
    group, member = divmod(seed, GROUP)
    rng = np.random.default_rng([group, 71])
    if rng.random() < look_alikes and member:
        model = _sample_alone(group * GROUP)
        identity = replace(identity, top=model.top, bottom=model.bottom, shoes=model.shoes)
        if rng.random() < 0.5:
            identity = _one_thing_changed(replace(identity, bag=model.bag, scarf=model.scarf), member)
    if not patterns:
        identity = replace(
            identity,
            top=replace(identity.top, fabric=replace(identity.top.fabric, pattern="plain"), print_size=0.0),
            bottom=replace(identity.bottom, fabric=replace(identity.bottom.fabric, pattern="plain")),
        )
    if not bags:
        identity = replace(identity, bag=replace(identity.bag, kind=""))
    return identity


def other_outfit(identity: Identity) -> Identity:
    """Return the same person on another day: a coat put on or taken off, another bag or none."""
    rng = np.random.default_rng([identity.seed, 72])
    top = identity.top
    if top.cut in ("coat", "jacket", "puffer"):
        bare = {**_CUTS["longsleeve" if rng.random() < 0.5 else "tshirt"], "print_size": 0.0, "front": "closed"}
        fabric = Fabric(pattern="plain", colours=(top.inner, dyed(rng, palette.TOPS), top.inner), scale=10.0)
        top = replace(top, cut="longsleeve", fabric=fabric, **bare)
    else:
        cut = "coat" if rng.random() < 0.5 else "jacket"
        colours = (dyed(rng, palette.TOPS), dyed(rng, palette.TOPS), dyed(rng, palette.TOPS))
        top = replace(
            top,
            cut=cut,
            fabric=Fabric(pattern="plain", colours=colours, scale=10.0),
            inner=identity.top.fabric.colours[0],
            front="open" if rng.random() < 0.5 else "zip",
            print_size=0.0,
            tucked=False,
            **_CUTS[cut],
        )
    bottom = identity.bottom
    if bottom.cut == "bare":
        bottom = replace(bottom, cut="leggings", length=1.9)
    return replace(identity, top=top, bottom=bottom, bag=_bag(rng), scarf=None)


_CUTS: dict[str, dict[str, Any]] = {
    "tshirt": {"sleeve": 0.75},
    "longsleeve": {"sleeve": 1.95},
    "jacket": {"sleeve": 1.95},
    "coat": {"sleeve": 1.95},
}


def _one_thing_changed(identity: Identity, member: int) -> Identity:
    rng = np.random.default_rng([identity.seed, 73])
    what = (int(rng.integers(3)) + member) % 5
    if what == 0:
        colours = (dyed(rng, palette.TOPS), *identity.top.fabric.colours[1:])
        return replace(identity, top=replace(identity.top, fabric=replace(identity.top.fabric, colours=colours)))
    if what == 1:
        colours = (dyed(rng, palette.BOTTOMS), *identity.bottom.fabric.colours[1:])
        fabric = replace(identity.bottom.fabric, colours=colours)
        return replace(identity, bottom=replace(identity.bottom, fabric=fabric))
    if what == 2:
        return replace(identity, shoes=_shoes(rng, identity.bottom.cut))
    if what == 3:
        return replace(identity, bag=_bag(rng))
    return replace(identity, head=replace(identity.head, hat="cap", hat_colour=dyed(rng, palette.TOPS)))


def _sample_alone(seed: int) -> Identity:
    rng = np.random.default_rng([seed, 70])
    feminine = bool(rng.random() < 0.5)
    ages = (0.22 + 0.1 * rng.random(), 0.48 + 0.08 * rng.random(), 0.55 + 0.2 * rng.random(), 0.8 + 0.2 * rng.random())
    variation = rng.dirichlet([0.35, 0.35, 0.35])
    build = Build(
        masculine=_share(rng.normal(0.03 if feminine else 0.97, 0.05)),
        age=_share(ages[rng.choice(4, p=[0.05, 0.5, 0.33, 0.12])]),
        muscle=_share(rng.normal(0.5, 0.17)),
        weight=_share(rng.normal(0.52, 0.2), low=0.02),
        height=_share(rng.normal(0.5, 0.09), 0.2, 0.8),  # a wider spread makes giants of 2.2 m
        proportions=_share(rng.normal(0.6, 0.25)),
        variation=(round(variation[0], 3), round(variation[1], 3), round(variation[2], 3)),
    )
    top = _top(rng, feminine)
    bottom = _bottom(rng, feminine, top.cut)
    return Identity(
        seed=seed,
        build=build,
        skin=palette.skin_tone(rng, float(variation @ (5.8, 1.8, 0.9))),
        head=_head(rng, feminine, build),
        top=top,
        bottom=bottom,
        shoes=_shoes(rng, bottom.cut),
        bag=_bag(rng),
        scarf=dyed(rng, palette.TOPS) if rng.random() < 0.07 else None,
        gait=Gait(
            stride=_round(rng.uniform(0.75, 1.1)),
            arm_swing=_round(rng.uniform(0.4, 1.2)),
            lean=_round(rng.normal(0.03, 0.04)),
            elbow=_round(rng.uniform(0.1, 0.5)),
        ),
    )


def _head(rng: np.random.Generator, feminine: bool, build: Build) -> Head:
    grey, fair = build.age > 0.75, build.variation[2] > 0.5
    shades = dict(zip(palette.HAIR, (30, 25, 15, 8, 6, 6 if fair else 1, 5 + 25 * grey, 2 + 25 * grey, 2), strict=True))
    colour = np.array(palette.HAIR[pick(rng, shades)]) * np.exp(rng.normal(0, 0.15))
    if feminine:
        hair = pick(rng, {"long": 36, "bob": 28, "short": 8, "bun": 14, "pony": 14})
    else:
        hair = pick(rng, {"short": 56, "crop": 26, "bob": 4, "bald": 9, "bun": 2, "long": 3})
    hat = pick(rng, {"": 84, "cap": 8, "beanie": 5, "brim": 3})
    adult = build.age > 0.4
    return Head(
        hair=hair,
        hair_colour=palette.rounded(np.clip(colour, 0, 1)),
        hair_length=_round(rng.random()),
        parting=_round(rng.uniform(-1, 1)),
        beard=_round(rng.uniform(0.25, 1)) if not feminine and adult and rng.random() < 0.35 else 0.0,
        brow=palette.rounded(np.clip(colour * 0.7, 0, 0.4)),
        iris=palette.IRIS[rng.choice(4, p=[0.45, 0.3, 0.13, 0.12])],
        glasses=bool(rng.random() < 0.18),
        hat=hat,
        hat_colour=dyed(rng, palette.TOPS),
    )


def _fabric(rng: np.random.Generator, patterns: Mapping[Pattern, float], colours: Mapping[str, float]) -> Fabric:
    pattern = pick(rng, patterns)
    three = (dyed(rng, colours), dyed(rng, colours), dyed(rng, colours))
    return Fabric(pattern=pattern, colours=three, scale=_round(rng.uniform(*PATTERN_SCALE.get(pattern, (10, 10)))))


def _top(rng: np.random.Generator, feminine: bool) -> Top:
    if feminine:
        cuts = {"tshirt": 28, "longsleeve": 18, "jacket": 16, "coat": 10, "dress": 14, "tank": 6, "blouse": 10}
        cuts["puffer"] = 5
    else:
        cuts = {"tshirt": 36, "longsleeve": 20, "jacket": 22, "coat": 5, "tank": 3, "puffer": 6, "shirt": 12}
    cut = pick(rng, cuts)
    sleeves = {
        "tshirt": rng.uniform(0.55, 0.95),
        "tank": 0.08,
        "dress": rng.choice([0.1, 0.6, 1.9]),
        "blouse": rng.choice([0.7, 1.5, 1.92]),
        "shirt": rng.choice([0.75, 1.2, 1.95], p=[0.25, 0.15, 0.6]),
    }
    fabric = _fabric(rng, PATTERNS, palette.TOPS)
    calm = fabric.pattern in ("plain", "two_tone", "gradient")
    printed = calm and cut in ("tshirt", "longsleeve", "tank", "jacket", "dress")
    fronts = {"jacket": (0.4, 0.35), "puffer": (0.75, 0.15), "coat": (0.5, 0.3), "shirt": (0.7, 0.1)}.get(cut, (0, 0))
    drawn = rng.random()
    return Top(
        cut=cut,
        fabric=fabric,
        sleeve=_round(sleeves.get(cut, 1.95)),
        looseness=_round(rng.uniform(0.3, 1)),
        hem=_round(rng.uniform(-0.02, 0.09)),
        tucked=bool(rng.random() < (0.3 if feminine else 0.15)),
        length=_round(rng.uniform(0.4, 1.5) if cut == "dress" else rng.uniform(0.35, 1.15)),
        flare=_round(rng.uniform(1, 1.35)),
        front="zip" if drawn < fronts[0] else "open" if drawn < sum(fronts) else "closed",
        inner=dyed(rng, palette.TOPS),
        print_size=_round(rng.uniform(0.14, 0.34)) if printed and rng.random() < 0.35 else 0.0,
        print_seed=int(rng.integers(2**31)),
    )


def _bottom(rng: np.random.Generator, feminine: bool, top: str) -> Bottom:
    if top == "dress":
        cuts = {"leggings": 25.0, "bare": 75.0}
    elif feminine:
        cuts = {"trousers": 38, "leggings": 22, "skirt": 14, "shorts": 12, "wide": 10, "cropped": 6}
    else:
        cuts = {"trousers": 62, "shorts": 22, "wide": 8, "cropped": 6}
    cut = pick(rng, cuts)
    length = {
        "shorts": rng.uniform(0.55, 1),
        "cropped": rng.uniform(1.35, 1.75),
        "skirt": rng.uniform(0.3, 1.6),
        "leggings": 1.9,
        "bare": 0.0,
    }
    return Bottom(
        cut=cut,
        fabric=_fabric(rng, SKIRT_PATTERNS if cut == "skirt" else TROUSER_PATTERNS, palette.BOTTOMS),
        looseness=_round(rng.uniform(0.2, 1)),
        length=_round(length.get(cut, 1.93)),
        flare=_round(rng.uniform(1, 1.4)),
    )


def _shoes(rng: np.random.Generator, bottom: str) -> Shoes:
    colour = dyed(rng, palette.SHOES)
    light = rng.random() < 0.45
    boots = bottom in ("leggings", "bare", "skirt") and rng.random() < 0.2
    return Shoes(
        colour=colour,
        sole=palette.varied(rng, palette.COLOURS["white" if light else "dark grey"]),
        height=_round(rng.uniform(1.25, 1.65)) if boots else _round(rng.uniform(1.84, 1.93)),
    )


def _bag(rng: np.random.Generator) -> Bag:
    return Bag(
        kind=pick(rng, {"": 45, "backpack": 22, "crossbody": 14, "handbag": 12, "shoulder": 7}),
        colour=dyed(rng, palette.BAGS),
        size=_round(rng.uniform(0.8, 1.25)),
        side="l" if rng.random() < 0.5 else "r",
    )


def _share(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return _round(np.clip(value, low, high))


def _round(value: float) -> float:
    return round(float(value), 3)
