"""The 95 % interval of a measured share, and the text of a score with its interval."""

import math

Z = 1.959964  # the standard normal distribution's 97.5 % quantile


def bounds(share: float, rows: int) -> dict[str, float]:
    """Return `low` and `high`, the 95 % interval of a share that was measured on so many rows.

    This is Wilson's score interval (Wilson, "Probable inference, the law of succession, and statistical inference",
    1927). Its width is not zero if all rows are right, or none is.

    Args:
        share: share of right rows, 0..1.
        rows: number of rows, at least 1.
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
