"""Lists of trials of drawn people."""

from pathlib import Path

from twoface_pl.data.protocol import Trial


def listed_trials(photos: Path) -> list[Trial]:
    """A trial of each person's first three photos; the wrong reference is the next one's."""
    people = sorted(path.name for path in photos.iterdir() if path.is_dir())
    found = []
    for number, person in enumerate(people):
        first, second, third = (f"{person}/{path.name}" for path in sorted((photos / person).iterdir())[:3])
        other = people[(number + 1) % len(people)]
        found.append(Trial(first, second, third, f"{other}/{Path(first).name}", number))
    return found
