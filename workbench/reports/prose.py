"""Words around the numbers: the title card, a methods text to paste, where everything came from."""

from __future__ import annotations

import html
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import workbench
from workbench.reports.imaging import key_numbers
from workbench.reports.tables import Html

if TYPE_CHECKING:
    import pandas as pd

    from workbench.reports.parameters import CommonParams

_PACKAGES: Final = ("pydicom", "highdicom", "duckdb", "pandas", "numpy", "xarray", "matplotlib", "papermill")
_TILES: Final = (
    ("patients", "patients"),
    ("studies", "studies"),
    ("series", "image series"),
    ("findings", "findings"),
)


def card(parameters: CommonParams, cohort: Any) -> Html:
    """The title card: title, key numbers, nodes, what was selected, as-of date, audience, trust."""
    numbers = key_numbers(cohort)
    tiles = "".join(
        f'<div class="wb-tile"><b>{numbers[name]:,}</b><span>{words}</span></div>' for name, words in _TILES
    )
    facts = [("Nodes", ", ".join(sorted(cohort.nodes)) or "none")]
    if parameters.where.strip():
        facts.append(("Selected", parameters.where.strip()))
    if parameters.as_of:
        facts.append(("As of", parameters.as_of.isoformat()))
    facts += [("Audience", "local: for this house only"), ("Trust", sealed(cohort))]
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in facts)
    title = f'<p class="wb-title">{html.escape(parameters.title)}</p>' if parameters.title else ""
    return Html(f'<div class="wb-card">{title}<div class="wb-tiles">{tiles}</div><dl>{rows}</dl></div>')


def sealed(cohort: Any) -> str:
    """What is known of the extracts' origin, in words; nothing is claimed that was not checked."""
    levels = sorted({str(info.trust) for info in cohort.extracts})
    return "not sealed: origin and completeness were not verified" if levels in ([], ["none"]) else ", ".join(levels)


def methods(parameters: Any, cohort: Any) -> Html:
    """A paragraph for a methods section, naming versions and settings."""
    nodes = len(cohort.nodes)
    selected = f" Image series were selected by the condition “{parameters.where.strip()}”." if parameters.where else ""
    group = "node" if parameters.group_by == "node" else "sex"
    text = (
        f"The extracts of {nodes} node{'' if nodes == 1 else 's'} were opened as one cohort with the cancer imaging "
        f"workbench {workbench.__version__} (Python {platform.python_version()}, pydicom {_version('pydicom')}, pandas "
        f"{_version('pandas')}, DuckDB {_version('duckdb')}).{selected} A patient was counted once per node. For each "
        "patient the earliest known value of each variable was used. Numbers are given as median [first quartile, "
        "third quartile] with linear interpolation between order statistics (Hyndman and Fan, type 7), categories as "
        f"n (%) of the patients whose value is known; at most {parameters.max_categories} categories are shown, the "
        "rarest are pooled as “other”. Missing values were counted, not imputed, and are given as n (%) of all "
        f"patients, by {group}. Slice geometry was judged from image position and orientation; slice spacing is the "
        "distance between neighbouring image planes, not the slice thickness."
    )
    return Html(f'<blockquote class="wb-methods"><p>{html.escape(text)}</p></blockquote>')


def provenance(parameters: CommonParams, cohort: Any) -> pd.DataFrame:
    """Where everything came from: extracts with digests, template, workbench and package versions."""
    import pandas as pd

    from workbench.reports.templates import find_template

    template = find_template(parameters.template_id)
    rows = [
        ("Extract", f"{info.node}: {info.layout}, {info.n_files:,} files", f"sha256 {info.digest[:16]}…", info.trust)
        for info in cohort.extracts
    ]
    rows = [(what, name, digest, "not sealed" if trust == "none" else trust) for what, name, digest, trust in rows]
    rows.append(("Template", template.id, f"sha256 {template.digest()[:16]}…", ""))
    rows.append(("Workbench", workbench.__version__, "", ""))
    rows.append(("Python", platform.python_version(), "", ""))
    rows += [("Package", f"{name} {_version(name)}", "", "") for name in _PACKAGES]
    return pd.DataFrame(rows, columns=["What", "Which", "Digest", "Trust"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
