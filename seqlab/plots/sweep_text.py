"""A sweep -> lines of a terminal: the value by each key, and bars of importance."""

from __future__ import annotations

from seqlab.errors import UsageError
from seqlab.plots.sweep import Scale, SweepPicture
from seqlab.plots.terminal import COLORS, LEFT, NARROWEST, WIDEST, limits, new_figure
from seqlab.printable import one_line
from seqlab.status_line import shortened

HEIGHT = 8  # lines of a slice, without its axes
BAR = "█"


def text_of_sweep(picture: SweepPicture, width: int, *, colored: bool) -> str:
    """Return slices one below another, then importance, within `width` columns.

    Raises:
        UsageError: no trial has a value yet, or plotille is not installed.
    """
    if not picture.tried:
        raise UsageError(f"sweep '{picture.name}': no trial has ended yet, so nothing is drawn")
    parts = [_slice(picture, scale, width, colored) for scale in picture.scales]
    if picture.importances:
        parts.append(_bars(picture, width, colored))
    return "\n\n".join(part for part in parts if part)


def _slice(picture: SweepPicture, scale: Scale, width: int, colored: bool) -> str:
    places = picture.places(scale)
    if not places:
        return ""
    ticks = scale.ticks([place for _, place in places])
    figure = new_figure()
    figure.width, figure.height = max(min(width - LEFT - 12, WIDEST), NARROWEST), HEIGHT
    figure.color_mode, figure.with_colors, figure.origin = "byte", colored, False
    figure.x_label, figure.y_label = "", "y"
    figure.x_ticks_fkt = lambda value, _next: _near(value, scale)
    figure.y_ticks_fkt = lambda value, _next: f"{value:.4g}"
    xs, ys = [place for _, place in places], [trial.value for trial, _ in places]
    figure.set_x_limits(*limits([*xs, *(place for place, _ in ticks)]))
    figure.set_y_limits(*limits(ys))
    figure.scatter(xs, ys, lc=COLORS[0] if colored else None, marker="•")
    lines = [line.rstrip() for line in str(figure.show()).splitlines()]
    head = f"y: {picture.measure}, x: {scale.key}"
    if scale.labels:
        head += f" ({', '.join(f'{i} {label}' for i, label in enumerate(scale.labels))})"
    return "\n".join([shortened(one_line(head), width), *lines])


def _near(value: float, scale: Scale) -> str:
    return f"{10**value if scale.log else value:.3g}"


def _bars(picture: SweepPicture, width: int, colored: bool) -> str:
    names = {name: shortened(one_line(name), width // 2) for name in picture.importances}
    longest = max(map(len, names.values()))
    room = max(width - longest - 9, 1)
    lines = ["importance"]
    for name, share in picture.importances.items():
        bar = BAR * round(share * room)
        painted = f"\x1b[38;5;{COLORS[0]}m{bar}\x1b[0m" if colored and bar else bar
        lines.append(f"{names[name]:<{longest}} {share:>6.1%} {painted}".rstrip())
    return "\n".join(lines)
