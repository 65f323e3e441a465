"""``twoface inspect``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twoface_pl.cli.inpaint_options import parse_model
from twoface_pl.errors import TwoFaceError, in_words_of
from twoface_pl.model_file import FILES, FORMATS, SHIPPED_NAME, packaged, read_whole

SAYS = {  # in the order of printing
    "version": "made by version",
    "exported": "exported",
    "run": "trained in run",
    "batches": "batches of it",
    "stored": "weights stored as",
    "image_size": "works at (px)",
    "largest_size": "largest frame (px)",
    "frame": "frame",
    "references": "references",
    "default_mask": "hole where none is given",
    "source": "source",
    "licence": "licence",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=parse_model, nargs="?", default=SHIPPED_NAME,
        help="an exported file, or a folder of them (%(default)s: comes with the package)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object for each file, in a list")


def _files(path: Path) -> list[Path]:
    """The file itself; of a folder, or of the package's model, each file of the version that would be used.

    Raises:
        TwoFaceError: no file of a model there.
    """
    from twoface_pl.serving.versions import find_model

    if path.is_file() and path not in packaged().values():
        return [path]
    problems = []
    for kind in FILES:  # a folder may hold one of them only
        try:
            folder = find_model(path, kind).parent
            return [folder / name for name in FILES.values() if (folder / name).is_file()]
        except TwoFaceError as error:
            problems.append(error)
    raise TwoFaceError(in_words_of(str(problems[0]), lambda _: "inspect"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def facts_of(path: Path) -> dict[str, Any]:
    """What a file says of itself, and whether it is whole.

    Raises:
        TwoFaceError: it is no file of this project.
    """
    content, metadata, whole = read_whole(path)
    kind = next((kind for kind, known in FORMATS.items() if metadata.get("format") == known), None)
    if kind is None:
        raise TwoFaceError(
            f"{path}: not an exported file of this version (format {metadata.get('format', 'none')!r:.60})"
        )
    said = {name: _parsed(text) for name, text in metadata.items()}
    return {"file": str(path), "kind": kind, "bytes": len(content), "whole": whole, **said}


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(entry)}" for name, entry in value.items())
    return str(value)


def _values(values: Any) -> Iterator[str]:
    for name, entry in values.items() if isinstance(values, dict) else ():
        shape = " x ".join(str(side) for side in entry.get("shape", ())) or "a number"
        yield f"    {name}: {entry.get('type')}, {shape}\n      {entry.get('means')}"


def describe(facts: dict[str, Any]) -> str:
    """The same for people."""
    state = "whole" if facts["whole"] else "CHANGED since it was exported: get it anew"
    lines = [f"{facts['file']}: {facts['kind']} ({facts['format']}), {facts['bytes'] / 1e6:.1f} MB, {state}"]
    lines += [f"  {says}: {_plain(facts[name])}" for name, says in SAYS.items() if facts.get(name) not in (None, "")]
    for what in ("inputs", "outputs"):
        lines += [f"  {what}", *_values(facts.get(what))]
    for figures in facts.get("figures") or ():
        if isinstance(figures, dict) and "psnr_db" in figures:
            lines.append(
                f"  measured, split {figures.get('split')}, hole {_plain(figures.get('mask'))}: "
                f"{figures['psnr_db']:.2f} dB in it, {figures.get('db_above_opencv', 0):.2f} above OpenCV's"
            )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    found = [facts_of(path) for path in _files(arguments.model)]
    print(json.dumps(found, indent=2) if arguments.json else "\n\n".join(map(describe, found)))
    return 0 if all(facts["whole"] for facts in found) else 1
