"""Photographs from packages and pictures of text drawn here, as arrays of bytes ``[height, width, 3]``."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seedchip.zoo.fetch import fetch

PAGE_LINES = (
    ((0, 8, 300, 36), "Region-based segmentation"), ((0, 46, 162, 66), "Let us first determine"),
    ((163, 46, 380, 66), "markers of the coins and the"), ((130, 65, 382, 84), "markers are pixels that we can label"),
    ((0, 118, 174, 139), "histogram of grey values:"),
)
"""Left, top, right, bottom of lines of the photographed page ``photo-page``, and what they say."""


def photo(name: str) -> np.ndarray:
    """A photograph in RGB. Raises `ZooError`."""
    with Image.open(fetch(name)) as image:
        return np.asarray(image.convert("RGB"))


def page_lines() -> list[tuple[np.ndarray, str]]:
    """Lines cut from the photographed page, each with its text."""
    page = photo("photo-page")
    return [(page[top:bottom, left:right], text) for (left, top, right, bottom), text in PAGE_LINES]


def drawn_line(text: str, seed: int) -> np.ndarray:
    """A line of text in Pillow's own font, dark on light with size, colours, noise and margin by ``seed``."""
    generator = np.random.default_rng(seed)
    font = ImageFont.load_default(size=int(generator.integers(20, 44)))
    left, top, right, bottom = (round(v) for v in font.getbbox(text))
    margin = int(generator.integers(3, 9))
    paper, ink = (tuple(int(v) for v in generator.integers(low, high, 3)) for low, high in ((190, 256), (0, 90)))
    image = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
    noise = generator.normal(0, 6, (image.height, image.width, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def drawn_scene(background: np.ndarray, lines: list[str], size: tuple[int, int], seed: int) -> np.ndarray:
    """``background`` at (height, width) with a sign for each line in a row of its own."""
    generator = np.random.default_rng(seed)
    height, width = size
    image = Image.fromarray(background).resize((width, height), Image.Resampling.BILINEAR)
    row_height = height // len(lines)
    for row, line in enumerate(lines):
        sign = Image.fromarray(drawn_line(line, seed + row))
        sign.thumbnail((width, row_height - 4))
        image.paste(sign, (int(generator.integers(0, width - sign.width + 1)), row * row_height + 2))
    return np.asarray(image)


def fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scaled to fit (height, width) with its proportions kept, then as `normalised`."""
    height, width = size
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    return normalised(pixels, (round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)), size)


def line_fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scaled to the full height; a line that is then too wide is squeezed (rapidocr's ``resize_norm_img``)."""
    height, width = size
    return normalised(pixels, (height, min(width, math.ceil(height * pixels.shape[1] / pixels.shape[0]))), size)


def normalised(pixels: np.ndarray, target: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Scaled to ``target`` (height, width), values -1 to 1, at the top left of ``size``; the rest is 0.

    Shape ``[1, 3, height, width]``, channels in the order blue, green, red, as PaddleOCR's networks were trained.
    """
    rows, columns = (min(limit, max(1, wanted)) for limit, wanted in zip(size, target, strict=True))
    resized = np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
    canvas = np.zeros((1, 3, *size), np.float32)
    canvas[0, :, :rows, :columns] = (resized[..., ::-1].transpose(2, 0, 1) / np.float32(127.5)) - np.float32(1)
    return canvas
