"""`seqlab plot SWEEP`: draw a sweep."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from seqlab.cli.drawing import check_dots, width_of_terminal
from seqlab.cli.options import print_json
from seqlab.cli.streams import data, err, has_colors
from seqlab.printable import one_line, shown_path


def print_sweep(name: str, out: Path | None, as_json: bool, root: Path) -> None:
    """Draw a sweep into a file, or on the terminal, or print what would be drawn."""
    from seqlab.sweeps.folder import find_sweep
    from seqlab.sweeps.results import SweepResults

    picture = SweepResults.read(find_sweep(name, root)).picture()
    if as_json:
        print_json(asdict(picture))
    elif out is not None:
        from seqlab.plots.saving import save
        from seqlab.plots.sweep_figure import draw_sweep

        save(draw_sweep(picture), out)
        err(f"seqlab: wrote {one_line(shown_path(out))}")
    else:
        from seqlab.plots.sweep_text import text_of_sweep

        check_dots()
        data(text_of_sweep(picture, width_of_terminal(), colored=has_colors(sys.stdout)))
