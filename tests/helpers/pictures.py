"""Pictures that the tests make: textures with structure, and their files."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
from scipy import ndimage


def picture(seed: int, height: int = 160, width: int = 200) -> np.ndarray:
    """uint8 (height, width, 3): smooth colour with edges, another one for each seed."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    smooth = sum(ndimage.gaussian_filter(noise, (scale, scale, 0)) * scale for scale in (2, 4, 8))
    return np.clip(128 + 60 * smooth, 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **settings: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels.squeeze()).save(buffer, kind, **settings)
    return buffer.getvalue()


def save(path: Path, pixels: np.ndarray, kind: str = "PNG", **settings: object) -> Path:
    """Writes an image file, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels, kind, **settings))
    return path


def rain(clean: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture with bright streaks."""
    streaks = np.random.default_rng(seed).random(clean.shape[:2]) > 0.97
    return np.clip(
        clean + 120.0 * ndimage.uniform_filter1d(streaks.astype(float), 9, axis=0)[..., None] * 3, 0, 255
    ).astype(np.uint8)


def side_by_side(clean: np.ndarray, seed: int = 0) -> np.ndarray:
    """Clean left, rain right."""
    return np.concatenate([clean, rain(clean, seed)], axis=1)
