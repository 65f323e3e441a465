"""Names of conditions: what a hole was filled from, by whom."""

RIGHT, WRONG, OCCLUDED = "right reference", "wrong reference", "occluded reference"
NEAREST, NONE, PASTED = "nearest wrong reference", "no reference", "pasted reference"
AGAINST = "compared generator"
# What a system that is compared was given, as a condition.
COMPARED = {RIGHT: AGAINST, WRONG: "compared, wrong reference", OCCLUDED: "compared, occluded reference"}
