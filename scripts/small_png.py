"""Makes PNG files small: 256 colours are enough for a picture of a page, and take a third of the room."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

from playwright.sync_api import Page

#: Keeps the most frequent colours that differ visibly, and takes the nearest of them for each other one.
_REDUCE = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const split = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
  const byCount = [...counts].sort((one, other) => other[1] - one[1]);
  const kinds = new Map();  // The most frequent of those that look alike.
  for (const [pixel] of byCount) {
    const kind = split(pixel).map((part) => part >> 4).join();
    if (!kinds.has(kind)) kinds.set(kind, split(pixel));
  }
  const palette = [...kinds.values()].slice(0, 256);
  const nearest = (wanted) => {
    const distances = palette.map((kept) => kept.reduce((sum, part, at) => sum + (part - wanted[at]) ** 2, 0));
    return distances.indexOf(Math.min(...distances));
  };
  const index = new Map([...counts.keys()].map((pixel) => [pixel, nearest(split(pixel))]));
  let indices = "";
  for (const pixel of pixels) indices += String.fromCharCode(index.get(pixel));
  return { width: image.width, height: image.height, palette: palette.flat(), indices: btoa(indices) };
}"""


def reduce_colours(page: Page, png: bytes) -> bytes:
    """Return a picture with at most 256 colours.

    Args:
        page: Any page, to decode the picture in.
        png: The picture.
    """
    found = page.evaluate(_REDUCE, base64.b64encode(png).decode())
    width, height = found["width"], found["height"]
    indices = base64.b64decode(found["indices"])
    rows = b"".join(b"\0" + indices[start : start + width] for start in range(0, width * height, width))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunks(
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", bytes(found["palette"])),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )


def _chunks(*parts: tuple[bytes, bytes]) -> Iterator[bytes]:
    for name, body in parts:
        yield struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
