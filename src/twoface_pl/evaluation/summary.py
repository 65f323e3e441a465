"""From figures of single photos to what the report says: means, paired differences, verification."""

from __future__ import annotations

from typing import Any

import numpy as np

from twoface_pl.errors import TwoFaceError
from twoface_pl.evaluation.controls import OPENCV
from twoface_pl.evaluation.names import RIGHT, WRONG
from twoface_pl.evaluation.statistics import bootstrap_mean
from twoface_pl.evaluation.verification import Verification

BUCKETS = (0.0, 0.1, 0.2, 0.4, 0.6, 1.0)  # of the hole's share of the picture
LOWER_IS_BETTER = ("st_lpips", "st_lpips_256", "st_lpips_512", "lpips", "ciede2000", "ciede2000_p95")

Figures = dict[str, dict[str, np.ndarray]]  # condition, figure, a value of each photo


def bucket_names(hole_ratio: np.ndarray) -> np.ndarray:
    """Each photo's bucket (n,), such as ``20-40 %``, for its hole's share of the picture (n,)."""
    numbers = np.clip(np.searchsorted(BUCKETS, hole_ratio, side="right") - 1, 0, len(BUCKETS) - 2)
    return np.array([f"{BUCKETS[number]:.0%}-{BUCKETS[number + 1]:.0%}".replace("%-", "-") for number in numbers])


def opencv_of(figures: Figures) -> str:
    """The condition that OpenCV filled; of both, the better one comes first."""
    return next(name for name in figures if name.startswith(OPENCV))


def difference(ours: np.ndarray, other: np.ndarray, people: np.ndarray, figure: str) -> dict[str, Any]:
    """How much better ours is, photo by photo: positive is better, whatever the figure."""
    better = other - ours if figure in LOWER_IS_BETTER else ours - other
    return {
        **bootstrap_mean(better, people).rounded(),
        "wins": round(float((better > 0).mean()), 4),
    }


def summarise(figures: Figures, people: np.ndarray) -> dict[str, Any]:
    """Means of each condition, and how much better the right reference is than each other one, photo by photo."""
    opencv = opencv_of(figures)
    conditions = {
        name: {figure: bootstrap_mean(values, people).rounded() for figure, values in of_condition.items()}
        for name, of_condition in figures.items()
    }
    differences = {
        name: {
            figure: difference(figures[RIGHT][figure], values, people, figure)
            for figure, values in figures[name].items()
        }
        for name in conditions
        if name != RIGHT
    }
    from_wrong = differences[WRONG]["psnr_db"] if WRONG in differences else {"value": None, "wins": None}
    return {
        "photos": len(people),
        "people": len(np.unique(people)),
        "opencv": opencv,
        "conditions": conditions,
        "right_above": differences,
        "db_above_opencv": differences[opencv]["psnr_db"]["value"],
        "db_right_above_wrong_reference": from_wrong["value"],
        "share_right_reference_wins": from_wrong["wins"],
    }


def by_bucket(figures: Figures, people: np.ndarray, hole_ratio: np.ndarray) -> dict[str, Any]:
    """:func:`summarise` of each bucket of hole ratios that has photos."""
    names = bucket_names(hole_ratio)
    summaries = {}
    for name in dict.fromkeys(names[np.argsort(hole_ratio, kind="stable")]):
        chosen = names == name
        part = {key: {figure: values[chosen] for figure, values in of.items()} for key, of in figures.items()}
        summaries[str(name)] = summarise(part, people[chosen])
    return summaries


def verify(
    probes: dict[str, np.ndarray],
    truth: np.ndarray,
    gallery: np.ndarray,
    people: np.ndarray,
    has_gallery: np.ndarray,
    false_accepts: float,
) -> dict[str, Any]:
    """Verification of every condition.

    Args:
        probes: by condition, (n, D) unit embeddings of the filled photos.
        truth, gallery: (n, D), of the untouched photos and of the gallery photos.
        people: (n,) names.
        has_gallery: bool (n,); the others are left out and counted.
        false_accepts: the share of untouched pairs that the threshold lets pass.

    Returns:
        plain figures, or ``{"skipped": why}``.
    """
    left_out = len(np.unique(people)) - len(np.unique(people[has_gallery]))
    try:
        judge = Verification(truth[has_gallery], gallery[has_gallery], people[has_gallery], false_accepts)
    except TwoFaceError as error:
        return {"skipped": str(error)}
    conditions = {}
    for name, embeddings in {"untouched": truth, **probes}.items():
        found = judge.judge(embeddings[has_gallery])
        conditions[name] = {
            "accepted": found.accepted.rounded(),
            "of_untouched": found.of_untouched.rounded(),
            "false_accepts": found.false_accepts.rounded(),
        }
    return {
        "threshold": round(judge.threshold, 4),
        "photos": int(has_gallery.sum()),
        "people_left_out": left_out,
        "conditions": conditions,
    }
