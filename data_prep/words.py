"""What came of a preparation, in words: for the terminal, and ``rejects.csv``."""

from __future__ import annotations

import csv
import io
from collections import Counter

from twoface_pl.data.source import SPLITS
from twoface_pl.data_prep.layout import ZIP_FILE
from twoface_pl.data_prep.options import STEPS, PrepareOptions
from twoface_pl.data_prep.result import REJECTS_FILE, PrepareResult
from twoface_pl.data_prep.sources import Reject
from twoface_pl.faces.listing import counted


def rejects_text(rejects: list[Reject]) -> str:
    """``rejects.csv``: each with its kind and reason."""
    stream = io.StringIO()
    rows = [(reject.path, reject.kind, reject.reason) for reject in rejects]
    csv.writer(stream, lineterminator="\n").writerows([("path", "kind", "reason"), *rows])
    return stream.getvalue()


def _hint(kind: str, options: PrepareOptions) -> str:
    """What to change where photos or people are rejected for a reason that is a matter of choice."""
    return {
        "all alike": f"too_alike={options.too_alike:g} says what is one moment; above 1 any photo may be a reference",
        "near duplicate": f"same_picture={options.same_picture:g} says what is a copy; above 1 all photos stay",
        "no face": "frame=none takes photos as they are",
        "small face": f"min_face={options.min_face:g} may be lower",
        "few photos": f"min_photos={options.min_photos} and split={options.split.options['name']} ask for more",
        "not listed": "split.rest=train, validation or test takes them in",
    }.get(kind, "")


def reasons(result: PrepareResult, options: PrepareOptions) -> str:
    """Rejects by their kind: how many, the first one, and what would change it."""
    people = {"/".join(person) for person in result.listing.people}
    lines = []
    for kind, count in Counter(reject.kind for reject in result.rejects).most_common():
        of_kind = [reject for reject in result.rejects if reject.kind == kind]
        whole = sum(reject.path in people for reject in of_kind)  # with all their photos, which count no more
        those = counted(whole, "person", "people") if whole else counted(count, "file")
        hint = _hint(kind, options)
        lines.append(f"  {those}: {kind}, as {of_kind[0].path}: {of_kind[0].reason}" + (f" ({hint})" if hint else ""))
    return "\n".join(lines)


def _remarks(result: PrepareResult) -> list[str]:
    """What was done to photos that are in the set."""
    used = [result.found[photo.key] for identity in result.placed.identities for photo in identity.own.values()]
    turned = sum(bool(value.get("turned")) for value in used)
    transparent = sum(value["transparent"] for value in used)
    remarks = []
    if turned:
        lay = counted(
            turned,
            "photo lay on its side or stood on its head; its face was brought upright",
            "photos lay on their side or stood on their head; their faces were brought upright",
        )
        remarks.append(lay)
    if transparent:
        has = counted(transparent, "photo has", "photos have")
        remarks.append(f"{has} transparent parts; these lie on white")
    return remarks


def summary(result: PrepareResult, options: PrepareOptions) -> str:
    """What was prepared, for the terminal."""
    root = options.root
    rejected = counted(len(result.rejects), "reject")
    if options.step in STEPS[: STEPS.index("split")]:
        looked_at = counted(len(result.listing.photos), "photo")
        text = f"step {options.step} done for {looked_at}, in {options.work_folder}; {rejected}"
        return text + (f":\n{reasons(result, options)}" if result.rejects else "")
    counts = ", ".join(
        f"{split} {counted(result.people[split], 'person', 'people')} / {counted(result.photos[split], 'photo')}"
        for split in SPLITS
    )
    text = f"{root}: frame {options.frame.name}, {counts}; {rejected}"
    if result.rejects:
        text += f", each with its reason in {root / REJECTS_FILE}:\n{reasons(result, options)}"
    text = "\n".join([text, *_remarks(result)])
    if result.identities is None:
        text += "\nidentities were not cleaned: no recogniser was given (recogniser=facenet or sface)"
    else:
        joined = len(result.identities.joined)
        text += f"\n{counted(joined, 'person of two sources was', 'people of two sources were')} joined"
    if not result.people["train"]:
        text += "\nno person fell into train: this set can be evaluated, not trained on"
    if not result.people["test"]:
        text += "\nno person fell into test: raise split.test, take another split.seed or add people"
    if options.step == "all":
        text += f"\nlook at {root / 'report.html'}" + (f"; all of it is in {root / ZIP_FILE}" if options.zip else "")
    return text + f"\n{options.work_folder} keeps what was found, for the next run; it may be removed"
