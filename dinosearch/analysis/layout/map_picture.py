"""Draw a map of a collection: a PNG with a picture in each cell of a grid, or a page that is zoomed and searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dinosearch.analysis.layout.arranging import grid_for, parted, snapped, spread
from dinosearch.analysis.layout.projection import Projection
from dinosearch.home import atomic_path
from dinosearch.images.drawing.map_html import ASPECT, SIDE, map_html
from dinosearch.images.drawing.map_png import HEIGHT, WIDTH, cell_side, map_png
from dinosearch.images.drawing.small_pictures import small_pictures
from dinosearch.protocols import Progress

PICTURES = 1200
"""Pictures that a page holds, about 5 MB; the other images are dots."""
_SMALLEST = 44  # pixels of a cell of the PNG


def draw_map(
    projection: Projection,
    paths: dict[int, str],
    output: Path,
    title: str,
    *,
    pictures: int = PICTURES,
    progress: Progress | None = None,
) -> int:
    """Write the map atomically; what cannot be read is a grey tile, or a dot.

    Args:
        projection: where the images lie.
        paths: of the images, by id.
        output: `.png`: each image in a cell of a grid, near to where it lies, and where the cells are not enough, the
            one image that is nearest to the middle of each cell; `.html`: one page that is moved and zoomed, with
            pictures of images that are spread all over the map, and dots for the others. Where all images have a
            picture, they are moved apart a little.
        title: one line for the top.
        pictures: of a page, at most.
        progress: told about the stage `pictures`.

    Returns:
        Images that are shown with their picture.

    Raises:
        ValueError: another suffix.
    """
    suffix = output.suffix.lower()
    if suffix not in (".png", ".html", ".htm"):
        raise ValueError(f"a map is a .png or .html file, not {output.name!r}; give it such a name")
    names = [paths.get(number, "") for number in projection.ids.tolist()]
    draw = _as_png if suffix == ".png" else _as_html
    content, shown = draw(projection, names, title, pictures, progress)
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)
    return shown


def _as_png(
    projection: Projection, names: Sequence[str], title: str, pictures: int, progress: Progress | None
) -> tuple[bytes, int]:
    count = len(names)
    if not count:
        return map_png(title, "no images", (1, 1), []), 0
    grid = grid_for(count, (WIDTH // _SMALLEST) * (HEIGHT // _SMALLEST), WIDTH / HEIGHT)
    places, cells = snapped(projection.xy, grid)
    small = small_pictures(_told([names[place] for place in places], progress), cell_side(grid) * 2)
    note = f"{count:,} images by {projection.method}: what looks alike lies together"
    if len(places) < count:
        note += f"; {len(places):,} of them are shown, one for each part of the plane"
    placed = ((int(column), int(row), picture) for (column, row), picture in zip(cells, small, strict=True))
    return map_png(title, note, grid, placed), len(places)


def _as_html(
    projection: Projection, names: Sequence[str], title: str, pictures: int, progress: Progress | None
) -> tuple[bytes, int]:
    xy = parted(projection.xy, ASPECT) if len(names) <= min(pictures, PICTURES) else projection.xy
    places = spread(xy, pictures)
    small = small_pictures(_told([names[place] for place in places], progress), SIDE)
    ids = projection.ids.tolist()
    found = ((int(place), picture) for place, picture in zip(places, small, strict=True))
    return map_html(title, projection.method, xy, ids, names, found), len(places)


def _told(names: Sequence[str], progress: Progress | None) -> Iterator[str | None]:
    """The paths in turn, None for an image that has left; what is read is told."""
    for number, name in enumerate(names):
        if progress and number % 16 == 0:
            progress("pictures", number, len(names))
        yield name or None
