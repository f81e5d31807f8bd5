"""`headway perf`: predict measured rows and say by how much that misses; fit constants on one's own measurements."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.perf.evaluate.regret import Pick
    from headway.perf.evaluate.scores import Score, Scored

__all__ = ["register"]

perf = typer.Typer(
    name="perf",
    help="The model of performance: how well it predicts what was measured.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    app.add_typer(perf)


@perf.callback()
def _perf() -> None:
    pass


@perf.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV with the columns of aiconfigurator's silicon samples.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write all rows here, with predicted_… columns added.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Predict the rows of FILE and compare with what was measured.

    Errors are absolute, in per cent of the measured value; a row that cannot be predicted counts as 100 %. The band
    is the one in which 90 % of measurements should be. The last lines tell what it would cost to pick by prediction.
    """
    from headway.perf.constants import constants  # noqa: PLC0415 # the catalogue and its files, for this verb only
    from headway.perf.evaluate.regret import picks  # noqa: PLC0415
    from headway.perf.evaluate.scored import scored  # noqa: PLC0415
    from headway.perf.evaluate.scores import scores  # noqa: PLC0415

    fields, names = _rows(file)
    found = list(scored(fields, str(file), constants()))
    if out is not None:
        _write(out, names, fields, found)
    chosen = list(picks(found))
    if as_json:
        print(json.dumps(_view(found, chosen), indent=2))
        return
    groups = scores(found)
    for line in (*(_table(groups) if groups else ()), *_unpredicted(found), *_regret(chosen)):
        print(line)
    if without := sum(not each.row.compared for each in found):
        print(f"{without} rows have no measured silicon_ttft_ms and silicon_tpot_ms: predicted, not compared")
    if out is not None:
        print(f"{len(found)} rows with predictions: {out}")


@perf.command()
def calibrate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...", help="Folders or records of headway bench, or a gateway's request log (requests.db)."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--file", "-f", help="The file that was served, or a model: builtin://…; left out: ./headway.yaml."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Which Model of the file was measured.")] = "",
    gpu: Annotated[str, typer.Option(help="On what it ran, where the file does not say it: H100-SXM.")] = "",
    site: Annotated[str, typer.Option("--on", help="Where it ran: a Site's name; left out: this machine.")] = "",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write it here, in place of this machine's calibration.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Fit the engine's constants again, on what was measured on your hardware.

    The result is kept in the state directory; headway plan and headway simulate use it for the same model, engine and
    hardware, and say so. 30 requests are the least, a few hundred at several loads tell more.
    """
    from headway.cli.calibrate import calibrated  # noqa: PLC0415

    calibrated(sources, target=target, name=model, site=site, gpu=gpu, out=out, as_json=as_json)


def _rows(file: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="")
            rows = []
            for line, fields in enumerate(reader, 2):
                if None in fields:
                    raise UsageError(f"{file}:{line}: more values than columns", hint="quote values that have commas")
                rows.append(fields)
            names = list(reader.fieldnames or ())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", hint="name a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: {error}", hint="a CSV file in UTF-8 is wanted") from None
    if not rows:
        raise UsageError(f"{file}:1: no rows", hint="a header line and at least one row are wanted")
    return rows, names


def _write(out: Path, names: list[str], rows: list[dict[str, str]], found: list[Scored]) -> None:
    from headway.perf.evaluate.scored import ADDED, added  # noqa: PLC0415

    kept = [name for name in names if name not in ADDED]
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*kept, *ADDED], extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(fields | added(each) for fields, each in zip(rows, found, strict=True))
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}", hint="name a file that can be written") from None


def _table(found: list[Score]) -> Iterator[str]:
    heads = ("system", "model", "engine", "mode", "rows", "predicted")
    figures = ("TPOT mean", "median", "inside", "TTFT mean", "median", "inside")
    rows: list[tuple[str, ...]] = [(*heads, *figures)]
    for each in found:
        cells = (_percent(value) for of in (each.tpot, each.ttft) for value in (of.mean, of.median, of.inside))
        rows.append((*each.group, str(each.rows), str(each.predicted), *cells))
    wide = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(wide[i]) if i < 4 else cell.rjust(wide[i]) for i, cell in enumerate(row))
        yield "  ".join(cells).rstrip()


def _unpredicted(found: list[Scored]) -> Iterator[str]:
    reasons: dict[str, list[int]] = {}
    for each in found:
        if each.foreseen is None:
            reasons.setdefault(each.reason, []).append(each.row.line)
    for reason, lines in reasons.items():
        shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
        yield f"not predicted: {len(lines)} rows (line {shown}): {reason}"


def _regret(chosen: list[Pick]) -> Iterator[str]:
    from headway.perf.evaluate.regret import mean_regret  # noqa: PLC0415

    if not chosen:
        return
    met = [each for each in chosen if each.meets]
    worst = max(chosen, key=lambda each: each.regret)
    yield (
        f"picked by prediction: {len(chosen)} groups of model, lengths and limit on TPOT; {len(met)} picks meet it and "
        f"cost {_percent(mean_regret(chosen))} more than the best measured, on the mean"
    )
    if worst.regret > 0:
        yield f"  the dearest: {worst.pick} costs {_percent(worst.regret)} more than {worst.best}"


def _view(found: list[Scored], chosen: list[Pick]) -> dict[str, object]:
    from headway.perf.evaluate.scores import scores  # noqa: PLC0415

    return {
        "groups": [asdict(each) for each in scores(found)],
        "not_predicted": [{"line": each.row.line, "why": each.reason} for each in found if each.foreseen is None],
        "picks": [asdict(each) for each in chosen],
    }


def _percent(share: float) -> str:
    return f"{share:.1%}"
