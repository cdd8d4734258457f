"""The camera's electronics: they turn the renderer's picture into the picture that a surveillance camera stores.

Everything works on 8-bit pictures with look-up tables; that takes a few milliseconds per frame, where floats would take
forty. Pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
Gains = NDArray[np.float64]

#: White balance that changes nothing.
NEUTRAL = (1.0, 1.0, 1.0)

_LUMA = np.array([0.299, 0.587, 0.114])
#: Contrast is scaled about this grey.
_PIVOT = 0.45
#: Grey levels of the noise tile per standard deviation; four deviations fit on either side of 128.
_LEVELS_PER_SIGMA = 32
#: By how many rows and columns the noise tile exceeds the picture; each frame uses another window of it.
_TILE_MARGIN = (160, 240)
#: First keys of the random generators, so that no two uses share a stream.
_SENSOR_KEY, _TILE_KEY = 71, 72


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What one camera does to light.

    Attributes:
        exposure: mean luma 0..1 at which its automatic exposure aims.
        white_balance: gains of red, green and blue by which its white balance is off.
        gamma: exponent of the display curve; 1 = the renderer's curve.
        saturation: 0 = grey, 1 = as rendered.
        contrast: 1 = as rendered.
        blur: standard deviation of the lens blur, pixels; 0 = sharp.
        motion_blur: share of frames that are smeared over 3 to 5 pixels.
        noise: standard deviation at a gain of 1, as a share of the full range.
        vignette: share of the light that is lost in the corners.
        quality: JPEG quality of the camera's own encoder; 100 = no such encoder.
        downscale: resolution of the chip relative to the picture, 0..1.
        interlace: offset between the two fields of a frame, pixels; 0 = progressive.
    """

    exposure: float = 0.42
    white_balance: tuple[float, float, float] = NEUTRAL
    gamma: float = 1.0
    saturation: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0
    motion_blur: float = 0.0
    noise: float = 0.0
    vignette: float = 0.0
    quality: int = 100
    downscale: float = 1.0
    interlace: int = 0


#: A camera that only adjusts its exposure.
PERFECT = Sensor()


def sensor_for(seed: int) -> Sensor:
    """Return the sensor of the camera with this seed."""
    rng = np.random.default_rng([_SENSOR_KEY, seed])
    red, green, blue = np.exp(rng.normal(0, 0.035, 3))
    return Sensor(
        exposure=float(rng.uniform(0.35, 0.46)),
        white_balance=(float(red), float(green), float(blue)),
        gamma=float(np.exp(rng.normal(0, 0.08))),
        saturation=float(rng.uniform(0.7, 1.15)),
        contrast=float(rng.uniform(1.0, 1.28)),
        blur=float(0.4 + min(abs(rng.normal(0, 0.45)), 1.2)),
        motion_blur=0.12,
        noise=float(min(0.014, 0.002 + abs(rng.normal(0, 0.006)))),
        vignette=float(rng.uniform(0, 0.25)),
        quality=int(rng.integers(55, 80)) if rng.random() < 0.5 else 100,
        downscale=float(rng.choice([1.0, 1.0, 0.8, 0.7, 0.6])),
        interlace=int(rng.choice([0, 1, 2], p=[0.85, 0.1, 0.05])),
    )


def photo_sensor(seed: int) -> Sensor:
    """Return the sensor of a hand-held camera: like any other, but never interlaced."""
    return replace(sensor_for(seed), interlace=0)


def exposure_gain(
    image: Image, sensor: Sensor, low: float, high: float, *, balance: ArrayLike = NEUTRAL, target_scale: float = 1.0
) -> float:
    """Return the gain on linear light that brings the mean luma of the developed picture to the sensor's target.

    Args:
        image: (H, W, 3) uint8 RGB, as rendered.
        sensor: supplies the target and the display curve.
        low: least allowed gain.
        high: greatest allowed gain.
        balance: (3,) gains of the automatic white balance.
        target_scale: factor on the target; below 1 at night, which must stay dark.
    """
    sample = np.ascontiguousarray(image[::4, ::4])
    histograms = np.stack([np.bincount(sample[..., k].ravel(), minlength=256) for k in range(3)], axis=1)
    weights = histograms / sample[..., 0].size * _LUMA
    # The vignette removes light afterwards: on average over the picture, a third of its loss in the corners.
    target = sensor.exposure * target_scale / (1 - sensor.vignette / 3)
    bottom, top = low, high
    for _ in range(12):
        middle = (bottom * top) ** 0.5
        if float((weights * _curves(sensor, middle, balance)).sum()) < target:
            bottom = middle
        else:
            top = middle
    return float((bottom * top) ** 0.5)


def grey_world(image: Image, strength: float = 0.6) -> Gains:
    """Return the (3,) gains of an automatic white balance that goes ``strength`` of the way to a grey mean."""
    means = np.maximum(image[::4, ::4].reshape(-1, 3).mean(axis=0), 1.0)
    return np.asarray(np.clip((means.mean() / means) ** strength, 0.6, 1.6))


def develop(
    image: Image,
    sensor: Sensor,
    rng: np.random.Generator,
    gain: float | None = None,
    balance: ArrayLike = NEUTRAL,
    *,
    target_scale: float = 1.0,
) -> Image:
    """Turn a rendered picture into the one that the camera stores.

    Args:
        image: (H, W, 3) uint8 RGB, as rendered.
        sensor: the camera's sensor.
        rng: the frame's random generator.
        gain: gain on linear light; None = automatic exposure by up to a factor of 2.5 either way.
        balance: (3,) gains of the automatic white balance, see :func:`grey_world`.
        target_scale: factor on the exposure target, see :func:`exposure_gain`; noise grows as it falls below 1.

    Returns:
        A new (H, W, 3) uint8 RGB picture.
    """
    picture = _saturated(_optics(np.ascontiguousarray(image), sensor, rng), sensor.saturation)
    if gain is None:
        gain = exposure_gain(picture, sensor, 0.4, 2.5, balance=balance, target_scale=target_scale)
    table = np.rint(_curves(sensor, gain, balance) * 255).astype(np.uint8)
    picture = np.asarray(cv2.LUT(picture, table[:, None]), np.uint8)
    if sensor.vignette > 0:
        shares = _vignette(*picture.shape[:2], sensor.vignette)
        picture = np.asarray(cv2.multiply(picture, shares, scale=1 / 255), np.uint8)
    if sensor.noise > 0:
        # Amplifying light amplifies its noise, and a camera that aims low has already amplified all it can.
        picture = _noisy(picture, sensor.noise * min(max(gain, 1.0), 3.0) ** 0.5 / target_scale, rng)
    if sensor.interlace > 0:
        picture = _interlaced(picture, sensor.interlace * int(rng.choice([-1, 1])))
    return picture if sensor.quality == 100 else _recompressed(picture, sensor.quality)


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """Encode a (H, W, 3) uint8 RGB picture as a JPEG file."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return cv2.imencode(".jpg", bgr, flags)[1].tobytes()


def mean_luma(image: Image) -> float:
    """Return the mean luma of a (H, W, 3) uint8 RGB picture, 0..1."""
    return float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean() / 255)


def linear_light(image: Image) -> NDArray[np.float32]:
    """Return the linear light of an (H, W, 3) uint8 RGB picture, float32; 1 = what a white surface shows in light 1."""
    return np.asarray(_linear()[image], np.float32)


def _curves(sensor: Sensor, gain: float, balance: ArrayLike) -> Gains:
    """Return (256, 3): the red, green and blue, 0..1, that each value of the renderer becomes."""
    light = _linear() * gain
    value = np.clip(light / (1 + 0.25 * light), 0, 1) ** (1 / 2.2)
    value = np.clip((value - _PIVOT) * sensor.contrast + _PIVOT, 0, 1)
    gains = np.asarray(sensor.white_balance) * np.asarray(balance, np.float64)
    return np.asarray(np.clip(value[:, None] * gains, 0, 1) ** sensor.gamma)


@lru_cache(maxsize=1)
def _linear() -> Gains:
    """Return (256,): the linear light of each value; inverts the renderer's tone curve (``developed`` in GLSL)."""
    compressed = np.linspace(0, 1, 256) ** 2.2
    return np.asarray(compressed / (1 - 0.25 * compressed))


def _optics(image: Image, sensor: Sensor, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    if sensor.downscale < 1:
        size = max(1, round(width * sensor.downscale)), max(1, round(height * sensor.downscale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if sensor.blur > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sensor.blur), np.uint8)
    if sensor.motion_blur > 0 and rng.random() < sensor.motion_blur:
        image = np.asarray(cv2.filter2D(image, -1, _smear(int(rng.integers(3, 6)), rng.uniform(-25, 25))), np.uint8)
    return image


def _smear(length: int, degrees: float) -> NDArray[np.float32]:
    """Return the (length, length) kernel of a movement along a straight line; its sum is 1."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    middle = (length - 1) / 2
    turned = cv2.warpAffine(line, cv2.getRotationMatrix2D((middle, middle), degrees, 1), (length, length))
    return np.asarray(turned / turned.sum(), np.float32)


def _saturated(image: Image, saturation: float) -> Image:
    if saturation == 1:
        return image
    matrix = np.eye(3) * saturation + (1 - saturation) * _LUMA
    return np.asarray(cv2.transform(image, matrix.astype(np.float32)), np.uint8)


@lru_cache(maxsize=4)
def _vignette(height: int, width: int, strength: float) -> Image:
    """Return (H, W, 3) shares of the light that remain, 255 = all."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shares = (1 - strength * (x * x + y * y) / 2) * 255
    return np.repeat(np.rint(shares).astype(np.uint8)[..., None], 3, axis=2)


def _noisy(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    top, left = (int(rng.integers(margin)) for margin in _TILE_MARGIN)
    tile = _noise_tile(height, width)[top : top + height, left : left + width]
    factor = sigma * 255 / _LEVELS_PER_SIGMA
    return np.asarray(cv2.addWeighted(image, 1, tile, factor, -128 * factor), np.uint8)


@lru_cache(maxsize=2)
def _noise_tile(height: int, width: int) -> Image:
    """Return slightly smoothed noise about 128, of deviation ``_LEVELS_PER_SIGMA``, larger than the picture."""
    shape = (height + _TILE_MARGIN[0], width + _TILE_MARGIN[1], 3)
    noise = np.random.default_rng(_TILE_KEY).standard_normal(shape, np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.6), np.float32)
    return np.asarray(np.clip(np.rint(128 + noise / noise.std() * _LEVELS_PER_SIGMA), 0, 255), np.uint8)


def _recompressed(image: Image, quality: int) -> Image:
    stored = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.cvtColor(np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB), np.uint8)


def _interlaced(image: Image, shift: int) -> Image:
    """Move the odd rows ``shift`` pixels to the right, like the second field of a moving scene."""
    picture = image.copy()
    odd = image[1::2]
    if shift > 0:
        picture[1::2, shift:] = odd[:, :-shift]
    else:
        picture[1::2, :shift] = odd[:, -shift:]
    return picture
