"""What the tests of codecs share: pictures like photos, and the headers of files, read byte by byte."""

from __future__ import annotations

import struct

import numpy as np


def natural(height: int = 96, width: int = 128, seed: int = 0, grey: bool = False) -> np.ndarray:
    """Noise whose amplitude falls as f^-1.5, somewhat smoother than photos, in colours that go together; and a disc."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    falls = np.maximum(frequency, 1 / max(height, width)) ** -1.5
    planes = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(height, width))) * falls).real for _ in range(3)]
    shared, red, blue = (plane / max(float(plane.std()), 1e-9) for plane in planes)
    rows, columns = np.mgrid[:height, :width]
    disc = 40.0 * (np.hypot(rows - height / 2, columns - width / 3) < min(height, width) / 4)
    colour = np.dstack([shared + 0.4 * red, shared, shared + 0.4 * blue]) * 35 + 110 + disc[..., None]
    picture = np.clip(np.rint(colour), 0, 255).astype(np.uint8)
    return picture[..., 1].copy() if grey else picture


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def jpeg_frame(data: bytes) -> tuple[str, list[tuple[int, int]]]:
    """The kind of a JPEG file's frame and the sampling factors (horizontal, vertical) of its components."""
    assert data[:2] == b"\xff\xd8"
    at = 2
    while True:
        marker, length = struct.unpack(">xBH", data[at : at + 4])
        if marker in (0xC0, 0xC2):
            components = data[at + 9]
            factors = [data[at + 11 + 3 * i] for i in range(components)]
            return {0xC0: "baseline", 0xC2: "progressive"}[marker], [(f >> 4, f & 15) for f in factors]
        at += 2 + length


def avif_chroma(data: bytes) -> str:
    """Chroma of an AVIF file from the third byte of its `av1C` box."""
    flags = data[data.index(b"av1C") + 6]
    monochrome, across, down = flags >> 4 & 1, flags >> 3 & 1, flags >> 2 & 1
    return "4:0:0" if monochrome else {(1, 1): "4:2:0", (1, 0): "4:2:2", (0, 0): "4:4:4"}[across, down]


def heic_chroma(data: bytes) -> str:
    """Chroma of a HEIC file from `chroma_format_idc` in its `hvcC` box."""
    return ("4:0:0", "4:2:0", "4:2:2", "4:4:4")[data[data.index(b"hvcC") + 4 + 16] & 3]


def jpeg2000_coding(data: bytes) -> tuple[int, list[tuple[int, int]], int, int]:
    """Of a JPEG 2000 file: components, their sampling, the colour transform (0/1) and the wavelet (0: 9/7)."""
    size = data.index(b"\xff\x51")
    components = struct.unpack(">H", data[size + 38 : size + 40])[0]
    sampling = [(data[size + 41 + 3 * i], data[size + 42 + 3 * i]) for i in range(components)]
    style = data.index(b"\xff\x52")
    return components, sampling, data[style + 8], data[style + 13]
