"""Numbers and tables as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up on a terminal too; all but the first are right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [_line(header, widths), f"|{'-' * (widths[0] + 2)}|" + "".join(f"{'-' * (w + 1)}:|" for w in widths[1:])]
    return "\n".join(lines + [_line(row, widths) for row in rows])


def paragraphs(*blocks: str) -> str:
    """Join blocks of text with an empty line between them; empty ones are left out."""
    return "\n\n".join(block for block in blocks if block) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def seconds(value: float | None) -> str:
    """Three significant digits, in seconds; a dash for None."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def count(value: float | None) -> str:
    """A large number in thousands (k), millions (M), billions (G) or trillions (T); a dash for None."""
    if value is None:
        return "-"
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {letter}"
    return f"{value:.0f}"


def megabytes(value: int | None) -> str:
    """Bytes in MB, a million bytes each; a dash for None."""
    return "-" if value is None else f"{value / 1e6:,.0f} MB"


def share(part: float, whole: float) -> str:
    """``part`` in per cent of ``whole``."""
    return f"{100 * part / whole:.1f} %"
