"""Decoding of images: shapes, orientation, transparency, and unreadable files."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from evo_bnas.data import decode
from evo_bnas.packed.file import Header, PackedNetwork
from evo_bnas.packed.predict import read_image
from evo_bnas.progress import Progress, silent
from evo_bnas.space import catalogue
from tests.support.datasets import (
    as_image,
    encode,
    opened,
    random_pixels,
    read,
    refused,
    truncate,
    write_folder,
)


def test_images_are_scaled_to_cover_the_size_and_cropped_to_their_centre(tmp_path: Path) -> None:
    wide = np.zeros((1, 8, 16), np.uint8)
    wide[:, :, 4:12] = random_pixels(1, 1, 8, 8)[0]
    write_folder(tmp_path, wide[None].repeat(2, 0), ["a", "b"])
    assert np.array_equal(read("folder", tmp_path, size=8).pixels[0], wide[:, :, 4:12])
    assert read("folder", tmp_path, size=(6, 3)).pixels.shape == (2, 1, 6, 3)


def test_training_and_predict_decode_a_file_alike(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 3, 13, 10), ["a", "b"])
    decoded = read("folder", tmp_path, size=8, channels=1)
    space = catalogue.load("tiny-8")
    header = Header(
        key="some",
        space="tiny-8",
        blueprint=space.draw(space.smallest()).nodes,
        data="folder",
        classes=tuple("0123456789"),
        mean=(100.0,),
        std=(50.0,),
        white=255,
        test_error=0.5,
    )
    seen = read_image(tmp_path / "a/000.png", PackedNetwork(header, forms={}))
    assert np.array_equal(seen, decoded.pixels[0])


def test_channels_are_converted(tmp_path: Path) -> None:
    pixels = random_pixels(4, 1, 5, 5)
    write_folder(tmp_path, pixels[:2], ["a", "b"])
    write_folder(tmp_path / "../colour", pixels[:2].repeat(3, 1), ["a", "b"])
    assert np.array_equal(read("folder", tmp_path, channels=3).pixels, pixels[:2].repeat(3, 1))
    assert np.array_equal(read("folder", tmp_path / "../colour", channels=1).pixels, pixels[:2])


def test_an_image_is_rotated_as_its_exif_data_say() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the first row is the right side
    upright = Image.new("L", (2, 3))
    upright.putpixel((0, 0), 255)
    upright.rotate(90, expand=True).save(file, "PNG", exif=exif)
    decoded = decode.open_image(file.getvalue())
    assert decode.shape(decoded) == (1, 3, 2)
    assert np.array_equal(np.asarray(decoded), np.asarray(upright))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_orientations_equal_those_of_pillow(form: str) -> None:
    exif = Image.Exif()
    for exif[0x0112] in range(1, 10):  # 9 is undefined
        file = io.BytesIO()
        as_image(random_pixels(1, 3, 5, 7)[0]).save(file, form, exif=exif)
        with Image.open(file) as saved:
            expected = ImageOps.exif_transpose(saved)
        assert np.array_equal(np.asarray(decode.open_image(file.getvalue())), np.asarray(expected))


def exif_of(*entries: tuple[int, int, int, bytes]) -> bytes:
    """EXIF data with orientation 6 and other entries: tag, type, count, value."""
    orientation = (0x0112, 3, 1, b"\6\0\0\0")
    parts = [struct.pack("<HHI4s", *entry) for entry in (orientation, *entries)]
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(parts)) + b"".join(parts) + bytes(4)


@pytest.mark.parametrize(
    "entry",
    [
        (0x0100, 2, 2, b"x\0\0\0"),  # text instead of a length
        (0x010F, 11, 1, struct.pack("<f", 1.5)),  # a float instead of text
        (0x011A, 2, 2, b"x\0\0\0"),  # text instead of a fraction
    ],
)
def test_other_errors_in_exif_data_are_ignored(entry: tuple[int, int, int, bytes]) -> None:
    for form in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        as_image(random_pixels(1, 3, 5, 7)[0]).save(file, form, exif=exif_of(entry))
        assert decode.shape(decode.open_image(file.getvalue())) == (3, 7, 5)


def test_warnings_of_pillow_about_damaged_files_are_suppressed(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 3, 5, 5), ["a", "b"])
    damaged = exif_of((0x010F, 2, 9999, struct.pack("<I", 9999)))  # text beyond the end
    as_image(random_pixels(1, 3, 5, 5)[0]).save(tmp_path / "a/more.jpg", exif=damaged)
    with pytest.warns(UserWarning, match="Tag data larger than file"):
        decode.open_image(tmp_path / "a/more.jpg")
    source = opened("folder", tmp_path)  # in tests, a warning is an error
    assert len(source.read(silent).pixels) == 3
    assert source.count_shapes is not None
    assert source.count_shapes(silent) == {(3, 5, 5): 3}


def test_a_tiff_file_with_a_damaged_header_is_unreadable(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 3, 4, 4), ["a", "b"])
    whole = encode(random_pixels(1, 3, 4, 4)[0], "TIFF")
    offset = struct.pack("<HHI", 273, 4, 1)  # of the pixels; its type becomes a float
    assert offset in whole
    (tmp_path / "a/more.tiff").write_bytes(whole.replace(offset, struct.pack("<HHI", 273, 11, 1)))
    refused("folder", tmp_path, "a/more.tiff", "skip_bad")
    assert len(read("folder", tmp_path, skip_bad=True).skipped) == 1


def test_transparent_pixels_become_white() -> None:
    for mode, clear, expected in (("RGBA", (9, 9, 9, 0), (3, 1, 1)), ("LA", (9, 0), (1, 1, 1))):
        file = io.BytesIO()
        Image.new(mode, (1, 1), clear).save(file, "PNG")
        decoded = decode.open_image(file.getvalue())
        assert decode.shape(decoded) == expected
        assert np.asarray(decoded).min() == 255


def test_palettes_are_colour_and_black_and_white_is_greyscale() -> None:
    for mode, expected in (("P", 3), ("1", 1), ("CMYK", 3)):
        file = io.BytesIO()
        Image.new(mode, (2, 2)).save(file, "TIFF")
        assert decode.shape(decode.open_image(file.getvalue()))[0] == expected


def test_formats_that_need_other_programs_are_unreadable(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 3, 4, 4), ["a", "b"])
    as_image(random_pixels(1, 3, 4, 4)[0]).save(tmp_path / "a/000.png", "EPS")
    refused("folder", tmp_path, "a/000.png", "skip_bad")


def test_images_with_more_than_8_bits_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 1, 4, 4), ["a", "b"])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a/deep.png")
    refused("folder", tmp_path, "a/deep.png", "more than 8 bits", "convert it")


def test_mixed_sizes_and_channels_are_refused_with_the_missing_key(tmp_path: Path) -> None:
    write_folder(tmp_path / "sizes", random_pixels(2, 1, 4, 4), ["a", "b"])
    as_image(random_pixels(1, 1, 4, 5)[0]).save(tmp_path / "sizes/b/odd.png")
    refused("folder", tmp_path / "sizes", "b/odd.png", "4×5", "4×4", "data.size")
    write_folder(tmp_path / "colours", random_pixels(2, 1, 4, 4), ["a", "b"])
    as_image(random_pixels(1, 3, 4, 4)[0]).save(tmp_path / "colours/b/odd.png")
    refused("folder", tmp_path / "colours", "b/odd.png", "3 channels", "data.channels")


def test_the_first_unreadable_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(8, 3, 9, 9), list("abababab"))
    for bad in ("a/004.png", "b/003.png"):
        truncate(tmp_path / bad)
    refused("folder", tmp_path, "a/004.png", "skip_bad")


def test_unreadable_images_are_skipped_and_listed(tmp_path: Path) -> None:
    pixels = random_pixels(8, 3, 9, 9)
    write_folder(tmp_path, pixels, list("abababab"))
    for bad in ("a/000.png", "b/003.png"):
        truncate(tmp_path / bad)
    decoded = read("folder", tmp_path, skip_bad=True)
    assert np.array_equal(decoded.pixels, pixels[[2, 4, 6, 1, 5, 7]])
    assert decoded.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [skipped.split(":")[0] for skipped in decoded.skipped] == [
        str(tmp_path / bad) for bad in ("a/000.png", "b/003.png")
    ]
    assert [Path(decoded.name(number)).name for number in (0, 5)] == ["002.png", "007.png"]


def test_if_no_image_can_be_read_the_first_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 3, 9, 9), list("ab"))
    for bad in ("a/000.png", "b/001.png"):
        truncate(tmp_path / bad)
    refused("folder", tmp_path, "none of 2 images", "a/000.png", skip_bad=True)
    refused("folder", tmp_path, "none of 2 images", "a/000.png", skip_bad=True, size=4, channels=1)


def test_more_images_than_fit_into_memory_are_refused_with_the_way_out(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(2, 1, 4, 4), ["a", "b"])
    refused("folder", tmp_path, "2 images", "GB", "data.size", size=10**8)


def test_decoding_is_reported(tmp_path: Path) -> None:
    write_folder(tmp_path, random_pixels(300, 1, 1, 1), ["a", "b"] * 150)
    steps: list[object] = []
    opened("folder", tmp_path).read(steps.append)
    assert steps == [Progress("images", done, 300, "images") for done in (256, 300)]
