"""CIFAR-10 at 16 x 16 pixels with fewer images: small enough to train hundreds of networks on a CPU."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from evo_bnas.data.dataset import Images, load
from evo_bnas.data.settings import DataSettings

# How these images are searched; `path` is their folder.
RECIPE = """
data: {{name: parquet, path: {path}, search_share: 0.2}}
space: elastic-16
supernet: {{epochs: 20, batch: 64, lr: 1e-2, augment: {{flip: true}}}}
search: {{evaluations: 200, objectives: [error, ops, params]}}
pick: {{limits: {{ops: 60k}}}}
retrain: {{epochs: 8, batch: 64, lr: 5e-3}}
engine: {{device: cpu, threads: 1}}
"""
BUDGETS = (15_000.0, 30_000.0, 60_000.0)  # of ops

IMAGES = 12_500  # to train and to search; the test split is complete: 10,000


def recipe(source: Path, folder: Path) -> str:
    """Write images and recipe into a folder; returns the file of the recipe."""
    data = write(source, folder / "images")
    file = folder / "images.yaml"
    file.write_text(RECIPE.format(path=data.path), encoding="utf-8")
    return str(file)


def write(source: Path, folder: Path) -> DataSettings:
    """Write the images as parquet files, unless they are there; returns how to read them.

    `source` is a folder that `cifar10` reads. Each pixel is the mean of four. A fifth of the images that are
    not the test split scores networks in a search.
    """
    settings = DataSettings(name="parquet", path=str(folder), search_share=0.2)
    if not (folder / "test.parquet").exists():
        original = load(DataSettings(name="cifar10", path=str(source), search_share=IMAGES / 50_000), seed=0)
        folder.mkdir(parents=True, exist_ok=True)
        # Stratified: the search part of this division is what trains and searches here.
        for part, images in (("train", original.search), ("test", original.test)):
            _write(images, folder / f"{part}.parquet")
    return settings


def _write(images: Images, file: Path) -> None:
    number, channels, height, width = images.pixels.shape
    fours = images.pixels.reshape(number, channels, height // 2, 2, width // 2, 2).to(torch.float64)
    pixels = fours.mean(dim=(3, 5)).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    table = {"img": pa.array([_png(one) for one in pixels], pa.binary()), "label": images.y.numpy()}
    pq.write_table(pa.table(table), file)


def _png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
