"""``workbench check``: extracts against a profile of minimum attributes, or against what their node reported."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from workbench.cli.shared import by_extract, extract_options, one_path, open_cohort, print_json, refuse_sharing


@click.command(
    "check",
    epilog="Example: workbench check demo/extracts/* --link-root demo/datalake --profile eucaim-minimum. "
    "Example of digests: workbench check demo/extracts/aurora --link-root demo/datalake --tracer --report node.json",
)
@extract_options
@click.option("--profile", default="eucaim-minimum", show_default=True, metavar="NAME", help="Which attributes.")
@click.option("--description", metavar="FILE.json",
              help="What the description of the dataset says of its annotations: number_of_annotators, annotator_type, "
              "annotator_experience, annotation_sequence.")  # fmt: skip
@click.option("--tier3", is_flag=True, help="The formats of tier 3 are mandatory: DICOM images, DICOM SEG annotations.")
@click.option("--by-node", is_flag=True, help="A row per check and node.")
@click.option("--tracer", is_flag=True,
              help="Instead: the digest of every series as the dataset service's tracer computes it (SHA3-256 of all "
              "bytes of its files in the order of their names, base64).")  # fmt: skip
@click.option("--report", metavar="FILE", help="With --tracer: digests that the node reported, to compare with; JSON "
              "of series folder and digest, or a table with the columns path and digest.")  # fmt: skip
@click.option("--strict", is_flag=True,
              help="End with exit code 1 where a mandatory check fails, or a digest is another one.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(
    profile: str,
    description: str | None,
    tier3: bool,
    by_node: bool,
    tracer: bool,
    report: str | None,
    strict: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Hold EXTRACTs against the minimum attributes; print one row per check, with examples and what to do.

    Checks that fail are no failure of the command: it ends with 0 unless --strict is given.

    With --tracer every byte of the listed series is read, and one row per series is printed: digest, number of files,
    folder. What a node's report says otherwise is told below.
    """
    if tracer:
        sys.exit(1 if _traced(report, as_json=as_json, **given) and strict else 0)
    if report is not None:
        raise click.UsageError("--report goes with --tracer")
    checked = open_cohort(**given).check(profile, description=description, tier3=tier3)
    if as_json:
        rows = checked.by_node.to_dict("records") if by_node else checked.cells()
        print_json({"profile": checked.profile, "passed": checked.passed, "checks": rows})
    elif by_node:
        click.echo(checked.by_node.drop(columns="examples").to_string(index=False))
    else:
        click.echo(repr(checked))
    if strict and not checked.passed:
        sys.exit(1)


def _traced(report: str | None, *, as_json: bool, **given: Any) -> int:
    """Print the digest of every series, and what a report says otherwise; how much that is."""
    from workbench.cohort.opening import listed_extracts
    from workbench.extracts.tracer import differences, read_report, trace

    refuse_sharing("a list of digests")
    narrowing = [f"--{name}" for name in ("where", "lock") if given[name]]
    if narrowing:
        raise click.UsageError(f"--tracer looks at whole extracts: leave {' and '.join(narrowing)} out")
    expected = None if report is None else read_report(report)
    index = one_path("index", by_extract("index", given["index"]))
    extracts = listed_extracts(
        given["paths"], layout=given["layout"], node=given["node"], index=index, link_roots=given["link_roots"]
    )
    found = [(extract.node, traced) for extract in extracts for traced in trace(extract)]
    odd = [] if expected is None else differences([traced for _, traced in found], expected)
    if as_json:
        series = [{"node": node, **asdict(traced)} for node, traced in found]
        print_json({"series": series, "findings": [_told(finding) for finding in odd]})
        return len(odd)
    for node, traced in found:
        click.echo(f"{traced.digest}  {traced.n_files:5} files  {node}/{traced.path}")
    for finding in odd:
        click.echo(f"{finding.code}: {finding.path} {finding.message}".rstrip())
    if expected is not None and not odd:
        click.echo(f"{len(found)} series are as the report says")
    return len(odd)


def _told(finding: Any) -> dict[str, Any]:
    names = ("code", "severity", "title", "path", "message", "count", "remedy")
    return {name: getattr(finding, name) for name in names}
