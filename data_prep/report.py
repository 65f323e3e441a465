"""Step: what came of it, to read and to look at: ``report.json``, ``report.html`` and contact sheets.

Nothing in them tells when or where they were made: the same photos give the same bytes.
"""

from __future__ import annotations

import html
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tqdm import tqdm

from twoface_pl.data.source import SPLITS
from twoface_pl.errors import TwoFaceError
from twoface_pl.faces.files import write_text
from twoface_pl.faces.frame import resize
from twoface_pl.faces.image import decode_image, write_image

if TYPE_CHECKING:
    from twoface_pl.data_prep.options import PrepareOptions
    from twoface_pl.data_prep.result import PrepareResult

SHEETS = "sheets"
TILE = 72  # pixels a side
ACROSS, DOWN = 14, 16  # tiles of a sheet
MOST_SHEETS = 12  # of each split, and of each kind of reject
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def _spread(values: list[float]) -> dict[str, float]:
    """Percentiles, for people to judge a threshold by."""
    if not values:
        return {}
    return {f"p{at}": round(float(np.percentile(values, at)), 1) for at in PERCENTILES}


def _pairs(matches: list[Any]) -> list[dict[str, Any]]:
    return [
        {"first": "/".join(first), "second": "/".join(second), "cosine": round(cosine, 3)}
        for first, second, cosine in matches
    ]


def _figures(result: PrepareResult, options: PrepareOptions) -> dict[str, Any]:
    used = [photo.key for identity in result.placed.identities for photo in identity.own.values()]
    of_person = Counter(identity.name for identity in result.placed.identities for _ in identity.own)
    counts = Counter(of_person.values())
    sizes = Counter("x".join(map(str, result.found[key]["size"])) for key in used)
    identities = result.identities
    return {
        "frame": options.frame.options(),
        "image_size": options.image_size,
        "split": options.split.options,
        "recogniser": options.recogniser["name"],
        "photos_found": len(result.listing.photos),
        "people_found": len(result.listing.people),
        "people_used": len(of_person),
        "people": {split: result.people[split] for split in SPLITS},
        "photos": {split: result.photos[split] for split in SPLITS},
        "people_by_photos": {str(count): counts[count] for count in sorted(counts)},
        "turned": sum(bool(result.found[key].get("turned")) for key in used),
        "transparent": sum(result.found[key]["transparent"] for key in used),
        "rejects": dict(Counter(reject.kind for reject in result.rejects).most_common()),
        "near_duplicate_pairs": sum(
            len(identity.alike.get(file, ())) for identity in result.placed.identities for file in identity.own
        )
        // 2,
        "joined": _pairs(identities.joined) if identities else [],
        "alike": _pairs(identities.alike) if identities else [],
        "photo_sizes": dict(sizes.most_common(10)),
        "frame_sides": _spread([result.framed[key]["side"] for key in used]),
        "sharpness": _spread([result.framed[key]["sharpness"] for key in used]),
    }


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    rows = -(-len(tiles) // ACROSS)
    canvas = np.full((rows * TILE, ACROSS * TILE, 3), 255, np.uint8)
    for at, tile in enumerate(tiles):
        row, column = divmod(at, ACROSS)
        canvas[row * TILE : (row + 1) * TILE - 2, column * TILE : (column + 1) * TILE - 2] = resize(tile, TILE - 2)
    return canvas


def _split_tiles(result: PrepareResult, split: str) -> list[list[np.ndarray]]:
    """Sheets of a split: each person's photos one after the other, a line in the person's colour beneath."""
    sheets: list[list[np.ndarray]] = [[]]
    for number, identity in enumerate(at for at in result.placed.identities if at.split == split):
        colour = cv2.applyColorMap(np.array([[number * 89 % 256]], np.uint8), cv2.COLORMAP_HSV)[0, 0]
        for photo in identity.own.values():
            if len(sheets[-1]) == ACROSS * DOWN:
                if len(sheets) == MOST_SHEETS:
                    return sheets
                sheets.append([])
            tile = resize(decode_image(result.files[photo.key]), TILE)
            tile[-4:] = colour
            sheets[-1].append(tile)
    return sheets


def _uncut(path: Path) -> np.ndarray:
    """A whole photo, centred on a grey square of a tile's size."""
    pixels = decode_image(path)
    height, width = (max(1, round(side * TILE / max(pixels.shape[:2]))) for side in pixels.shape[:2])
    # Before the square, which a long narrow photo would make huge.
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    square = np.full((TILE, TILE, 3), 128, np.uint8)
    top, left = (TILE - height) // 2, (TILE - width) // 2
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return square


def _reject_tiles(result: PrepareResult, kind: str) -> list[list[np.ndarray]]:
    """Sheets of the photos of a kind of reject, framed where they came so far."""
    paths = {photo.key: photo.path for photo in result.listing.photos}
    tiles: list[np.ndarray] = []
    for reject in result.rejects:
        if reject.kind != kind or reject.path not in paths or len(tiles) == MOST_SHEETS * ACROSS * DOWN:
            continue
        try:
            framed = result.files.get(reject.path)
            tile = decode_image(framed) if framed else _uncut(paths[reject.path])
        except TwoFaceError:
            continue  # it was rejected because it cannot be read
        tiles.append(resize(tile, TILE))
    return [tiles[start : start + ACROSS * DOWN] for start in range(0, len(tiles), ACROSS * DOWN)]


def _write_sheets(folder: Path, result: PrepareResult) -> dict[str, list[str]]:
    """Contact sheets by what they show: their paths, relative to the report."""
    shutil.rmtree(folder / SHEETS, ignore_errors=True)
    kinds = sorted({reject.kind for reject in result.rejects})
    written: dict[str, list[str]] = {}
    for title in tqdm([*SPLITS, *kinds], desc="report     ", unit="", mininterval=1):
        sheets = _split_tiles(result, title) if title in SPLITS else _reject_tiles(result, title)
        for number, tiles in enumerate(sheets):
            if tiles:
                name = f"{SHEETS}/{title.replace(' ', '-')}-{number + 1}.jpg"
                write_image(folder / name, _sheet(tiles), quality=85)
                written.setdefault(title, []).append(name)
    return written


def _alike_sheet(folder: Path, result: PrepareResult) -> list[str]:
    """The pairs that must not be each other's reference, side by side."""
    tiles: list[np.ndarray] = []
    for identity in result.placed.identities:
        for file, others in sorted(identity.alike.items()):
            for other in sorted(set(others) & set(identity.own)):
                if file < other and len(tiles) < ACROSS * DOWN:
                    tiles += [decode_image(result.files[identity.photos[name].key]) for name in (file, other)]
    if not tiles:
        return []
    write_image(
        folder / SHEETS / "near-duplicate-pairs.jpg", _sheet([resize(tile, TILE) for tile in tiles]), quality=85
    )
    return [f"{SHEETS}/near-duplicate-pairs.jpg"]


def _table(title: str, rows: dict[str, Any]) -> str:
    """A table with bars where the values are counts."""
    numbers = [value for value in rows.values() if isinstance(value, int)]
    most = max(numbers, default=0) or 1
    lines = []
    for name, value in rows.items():
        bar = f'<i style="width:{200 * value / most:.0f}px"></i>' if isinstance(value, int) else ""
        lines.append(f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(value))}</td><td>{bar}</td></tr>")
    return f"<h2>{html.escape(title)}</h2><table>{''.join(lines)}</table>" if lines else ""


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1040px; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td { padding: .1rem .8rem .1rem 0; vertical-align: middle }
td:nth-child(2) { text-align: right } i { display: block; height: .7rem; background: #47a }
img { display: block; max-width: 100%; margin: .4rem 0 } h2 { margin-top: 2rem } .note { color: #555 }
"""
REJECTS_NOTE = '<p class="note">Each file with its reason: <a href="rejects.csv">rejects.csv</a>.</p>'
NOTES = {
    "alike": "Not joined, but kept in one split. If these are one person, put their photos into one folder.",
    "joined": "One person in two sources; they stand under the first name.",
}


def _html(figures: dict[str, Any], sheets: dict[str, list[str]]) -> str:
    frame, split = figures["frame"], figures["split"]
    overview = {
        "photos found": figures["photos_found"],
        "photos used": sum(figures["photos"].values()),
        "people found": figures["people_found"],
        "people used": figures["people_used"],
        "near-duplicate pairs": figures["near_duplicate_pairs"],
        "photos that were turned upright": figures["turned"],
        "photos with transparent parts, on white": figures["transparent"],
    }
    cleaned = figures["recogniser"] if figures["recogniser"] != "none" else "none: identities were not cleaned"
    parts = [
        f"<h1>Prepared faces</h1><p>Frame {html.escape(frame['name'])} at {figures['image_size']} px, "
        f"split {html.escape(split['name'])}, recogniser {html.escape(cleaned)}.</p>",
        _table("Overview", overview),
        _table("People by split", figures["people"]),
        _table("Photos by split", figures["photos"]),
        _table("Rejects by reason", figures["rejects"]),
        REJECTS_NOTE if figures["rejects"] else "",
        _table("People by number of photos", figures["people_by_photos"]),
        _table("Photos by size (the ten most frequent)", figures["photo_sizes"]),
        _table("Side of the frame in the photo, in pixels", figures["frame_sides"]),
        _table("Sharpness (variance of the Laplacian)", figures["sharpness"]),
    ]
    for key, title in (("joined", "People of two sources that were joined"), ("alike", "People who may be one")):
        rows = {f"{pair['first']} and {pair['second']}": pair["cosine"] for pair in figures[key]}
        parts.append(_table(f"{title} (cosine of their means)", rows))
        if rows:
            parts.append(f'<p class="note">{NOTES[key]}</p>')
    for title, names in sheets.items():
        images = "".join(f'<a href="{name}"><img loading="lazy" src="{name}" alt="{title}"></a>' for name in names)
        parts.append(f"<h2>{html.escape(title)}</h2>{images}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Prepared faces</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def write_report(folder: Path, result: PrepareResult, options: PrepareOptions) -> None:
    """Write the report and its contact sheets into a prepared set's folder."""
    figures = _figures(result, options)
    sheets = _write_sheets(folder, result)
    pairs = _alike_sheet(folder, result)
    if pairs:
        sheets["near-duplicate pairs (never target and reference)"] = pairs
    write_text(folder / "report.json", json.dumps(figures, indent=2) + "\n")
    write_text(folder / "report.html", _html(figures, sheets))
