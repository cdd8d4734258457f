"""Augmentations of scenes and crops: one small function each, driven by the generator of their sample.

Pictures are (H, W, 3) uint8 RGB. What moves people (``zoom_in``, ``crop_and_fit``, ``zoom_out``) returns their boxes
too; everything else changes colours only. A share or strength of 0 draws nothing, so recipes without an augmentation
train bit for bit as if it did not exist.
"""

from __future__ import annotations

import io
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional as F

from personsearch.results import Floats
from personsearch.train.config import AppearanceConfig, SceneAugmentConfig

Image8 = NDArray[np.uint8]

#: Weights of R, G and B in brightness (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])
#: RGB -> brightness and two axes of colour (YIQ), in which hue is an angle.
YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
#: Sensor noise by a random byte: the 256 quantiles of the normal distribution, of standard deviation 1.
NOISE = np.array([NormalDist().inv_cdf((byte + 0.5) / 256) for byte in range(256)], dtype=np.float32)
#: PASTA's strengths, as its authors recommend them: alpha, k and beta of ``(2 alpha |frequency|) ** k + beta``.
PASTA = (3.0, 2.0, 0.25)
#: PASTA works on a grid so many times coarser: the finest details of a picture are the sensor's anyway.
PASTA_STEP = 2


class Reframed(NamedTuple):
    """A scene in a new frame.

    Attributes:
        image: (H, W, 3) uint8 RGB, of the size of the scene.
        boxes: (N, 4) float32 xyxy pixels, clipped to what the frame shows; some may have no area.
        visible: (N,) float64, share of each box that the frame shows.
    """

    image: Image8
    boxes: Floats
    visible: NDArray[np.float64]


def reframe(image: Image8, boxes: Floats, augment: SceneAugmentConfig, rng: np.random.Generator) -> Reframed | None:
    """Zoom into a scene, cut out a part of it, or zoom out, each for its share of the scenes; None = leave it."""
    ways = [(augment.zoom, augment.zoom_share), (augment.crop, augment.crop_share)]
    shares = np.cumsum([share if factor > 1 else 0.0 for factor, share in ways])
    out = augment.zoom_out_share if augment.zoom_out > 1 else 0.0
    if shares[1] + out == 0:
        return None
    drawn = rng.random()
    if drawn < shares[0]:
        return zoom_in(image, boxes, augment.zoom, rng)
    if drawn < shares[1]:
        return crop_and_fit(image, boxes, augment.crop, rng)
    return zoom_out(image, boxes, augment.zoom_out, rng) if drawn < shares[1] + out else None


def zoom_in(image: Image8, boxes: Floats, zoom: float, rng: np.random.Generator) -> Reframed:
    """Enlarge a random window, of the scene's aspect ratio and at least 1/zoom of each side, to the scene's size."""
    height, width = image.shape[:2]
    factor = rng.uniform(1, zoom)
    w, h = width / factor, height / factor
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    window = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)
    )
    moved = (boxes - np.array([left, top, left, top])) * factor
    return _reframed(np.array(window), moved, (0, 0, width, height))


def crop_and_fit(image: Image8, boxes: Floats, crop: float, rng: np.random.Generator) -> Reframed:
    """Cut out a window of any aspect ratio, each side at least 1/crop of the scene's, and fit it into its size."""
    height, width = image.shape[:2]
    w, h = width / rng.uniform(1, crop), height / rng.uniform(1, crop)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return _place(image, boxes, (left, top, w, h), min(width / w, height / h), rng)


def zoom_out(image: Image8, boxes: Floats, zoom: float, rng: np.random.Generator) -> Reframed:
    """Shrink the scene, to at least 1/zoom of each side, and put it somewhere into a frame of its own size."""
    height, width = image.shape[:2]
    return _place(image, boxes, (0.0, 0.0, width, height), 1 / rng.uniform(1, zoom), rng)


def _place(
    image: Image8, boxes: Floats, window: tuple[float, float, float, float], scale: float, rng: np.random.Generator
) -> Reframed:
    """Put a window (left, top, width, height), scaled, into a frame; around it its mean colour or its edge's pixels."""
    height, width = image.shape[:2]
    left, top, w, h = window
    size = min(width, max(1, round(w * scale))), min(height, max(1, round(h * scale)))
    box = (left, top, left + w, top + h)
    part = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box))
    x, y = int(rng.integers(0, width - size[0] + 1)), int(rng.integers(0, height - size[1] + 1))
    if rng.random() < 0.5:
        frame = np.pad(part, ((y, height - y - size[1]), (x, width - x - size[0]), (0, 0)), mode="edge")
    else:
        frame = np.empty_like(image)
        frame[:] = part.mean(axis=(0, 1)).round()
        frame[y : y + size[1], x : x + size[0]] = part
    factors = np.array([size[0] / w, size[1] / h] * 2)
    moved = (boxes - np.array([left, top, left, top])) * factors + np.array([x, y, x, y])
    return _reframed(frame, moved, (x, y, x + size[0], y + size[1]))


def _reframed(image: Image8, moved: NDArray[np.floating], shown: tuple[int, int, int, int]) -> Reframed:
    inside = moved.clip([*shown[:2]] * 2, [*shown[2:]] * 2).astype(np.float32)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (inside, moved)]
    return Reframed(image, inside, np.divide(areas[0], areas[1], out=np.zeros(len(moved)), where=areas[1] > 0))


def change_appearance(image: Image8, augment: AppearanceConfig, rng: np.random.Generator) -> Image8:
    """Apply the recipe's changes of colour, sharpness and noise, each to its share of the pictures.

    The order is that of a camera: light and colours, then optics, sensor and file.
    """
    if (augment.colour or augment.hue) and rng.random() < augment.colour_share:
        image = change_colours(image, augment.colour, augment.hue, rng)
    if augment.grey and rng.random() < augment.grey:
        image = mix_channels(image, np.tile(LUMA, (3, 1)), np.zeros(3))
    if augment.pasta and rng.random() < augment.pasta:
        image = perturb_spectrum(image, rng)
    if augment.downscale and rng.random() < augment.downscale:
        image = scale_down_and_up(image, rng.uniform(augment.downscale_to, 1))
    if augment.blur and rng.random() < augment.blur:
        image = blur(image, rng.uniform(0, augment.blur_radius))
    if augment.noise and rng.random() < augment.noise:
        image = add_noise(image, rng.uniform(0, augment.noise_level), rng)
    if augment.jpeg and rng.random() < augment.jpeg:
        image = compress(image, int(rng.integers(augment.jpeg_quality, 96)))
    return image


def jitter_colour(image: Image8, amount: float, rng: np.random.Generator) -> Image8:
    """Change brightness, contrast and the gains of the colour channels by up to ``amount`` each.

    Args:
        image: (H, W, 3) uint8 RGB.
        amount: largest relative change; 0 returns the image itself.
        rng: decides.
    """
    if amount == 0:
        return image
    gains = rng.uniform(1 - amount, 1 + amount) * rng.uniform(1 - amount / 2, 1 + amount / 2, size=3)
    contrast = rng.uniform(1 - amount, 1 + amount)
    # One table of 256 entries per channel: the whole change is a function of the value alone.
    mean = image.mean()
    table = ((np.arange(256)[:, None] - mean) * contrast + mean) * gains
    lut = table.round().clip(0, 255).astype(np.uint8)
    return np.stack([lut[image[..., channel], channel] for channel in range(3)], axis=-1)


def change_colours(image: Image8, strength: float, hue: float, rng: np.random.Generator) -> Image8:
    """Multiply brightness, contrast and saturation by factors of 1/(1+strength) to 1+strength, and turn the hue.

    Factors are drawn evenly in their logarithm, so that halving is as likely as doubling.

    Args:
        image: (H, W, 3) uint8 RGB.
        strength: 1 = factors of 0.5 to 2.
        hue: most of the colour circle that the hue turns by, either way.
        rng: decides.
    """
    limit = np.log1p(strength)
    brightness, contrast, saturation = np.exp(rng.uniform(-limit, limit, size=3))
    matrix = hue_and_saturation(rng.uniform(-hue, hue), saturation) * (brightness * contrast)
    mean = float(image[::4, ::4].reshape(-1, 3).mean(axis=0) @ LUMA) * brightness
    return mix_channels(image, matrix, np.full(3, mean * (1 - contrast)))


def hue_and_saturation(turn: float, saturation: float) -> NDArray[np.float64]:
    """Return the (3, 3) matrix on RGB that turns the hue by a part of the circle and multiplies saturation."""
    angle = 2 * np.pi * turn
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * saturation
    inner = np.eye(3)
    inner[1:, 1:] = rotation
    return np.asarray(np.linalg.inv(YIQ) @ inner @ YIQ)


def mix_channels(image: Image8, matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Image8:
    """Return ``matrix @ rgb + offset`` of every pixel, rounded and clipped to 0..255."""
    rows = np.hstack([matrix, offset[:, None]])
    return np.asarray(Image.fromarray(image).convert("RGB", tuple(rows.ravel().tolist())))


def perturb_spectrum(image: Image8, rng: np.random.Generator) -> Image8:
    """Multiply the amplitudes of the Fourier spectrum by noise that grows with frequency (PASTA, ICCV 2023).

    The factors are N(1, s), ``s = (2 alpha f) ** k + beta`` with f the frequency over the grid's size; 1 for the mean.
    Brightness alone is changed, on a coarser grid: a third of the cost of three channels.
    """
    grey = Image.fromarray(image).convert("L")
    small = torch.from_numpy(np.asarray(grey.reduce(PASTA_STEP), dtype=np.float32))
    rows, columns = small.shape
    # The paper's m and n: whole waves along the height and the width.
    m, n = np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None, :] * columns
    alpha, k, beta = PASTA
    spread = (2 * alpha * np.sqrt((m**2 + n**2) / (rows**2 + columns**2))) ** k + beta
    factors = 1 + rng.standard_normal(spread.shape, dtype=np.float32) * spread.astype(np.float32)
    factors[0, 0] = 1
    changed = torch.fft.irfft2(torch.fft.rfft2(small) * torch.from_numpy(factors), s=(rows, columns))
    change = F.interpolate((changed - small)[None, None], size=image.shape[:2], mode="bilinear", align_corners=False)
    result = change[0, 0].round_().clamp_(-255, 255).short().numpy()[:, :, None] + image
    return np.asarray(np.clip(result, 0, 255, out=result).astype(np.uint8))


def scale_down_and_up(image: Image8, factor: float) -> Image8:
    """Scale a picture down to ``factor`` of each side and up again, as a camera of fewer pixels shows it."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize(
        (max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.BILINEAR
    )
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))


def blur(image: Image8, radius: float) -> Image8:
    """Blur with a Gaussian of this standard deviation, pixels."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def add_noise(image: Image8, level: float, rng: np.random.Generator) -> Image8:
    """Add normal noise of standard deviation ``level`` (of 255) to every value."""
    table = (NOISE * level).round().astype(np.int16)
    drawn = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noisy = table[drawn]
    noisy += image
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


def compress(image: Image8, quality: int) -> Image8:
    """Write a picture as JPEG of this quality (1 to 95) and read it again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def erasing_box(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw the rectangle of random erasing: 2-40 % of the area, aspect ratio 0.3-3.33 (paper ref [24]); xyxy pixels."""
    for _ in range(100):
        area = rng.uniform(0.02, 0.4) * height * width
        aspect = rng.uniform(0.3, 1 / 0.3)
        h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < h < height and 0 < w < width:
            top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, 0, 0
