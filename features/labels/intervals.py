"""How sure a share of rows is, and how a score is written with its interval."""

import math

Z = 1.959964  # the standard normal distribution's 97.5 % quantile


def bounds(share: float, rows: int) -> dict[str, float]:
    """Return `low` and `high`, the 95 % interval of a share that was measured on that many rows.

    Wilson's score interval (Wilson, "Probable inference, the law of succession, and statistical inference", 1927). It
    keeps its width where all rows are right, and where none is.

    Args:
        share: of rows that are right, within 0..1.
        rows: at least 1.
    """
    spread = Z**2 / rows
    centre = share + spread / 2
    half_width = math.sqrt(spread * share * (1 - share) + spread**2 / 4)
    return {
        "low": 0.0 if share == 0 else (centre - half_width) / (1 + spread),
        "high": 1.0 if share == 1 else (centre + half_width) / (1 + spread),
    }


def with_bounds(score: float, low: float, high: float) -> str:
    """Return a score with its interval as a text, `1.0000 (0.9663 to 1.0000)`."""
    return f"{score:.4f} ({low:.4f} to {high:.4f})"
