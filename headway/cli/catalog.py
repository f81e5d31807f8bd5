"""`headway catalog`: the accelerators and the models whose figures Headway plans with, each with its source."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["register"]

catalog = typer.Typer(
    name="catalog",
    help="The accelerators and models that Headway plans with.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    app.add_typer(catalog)


@catalog.command()
def gpus(
    name: Annotated[
        str, typer.Argument(help="All about this one: H100, NVIDIA-H100-80GB-HBM3, H100/3g.40gb; left out = a table.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List accelerators: memory, speeds, links, MIG slices, prices with their date.

    Figures are those of data sheets, dense; prices are lists' of the day that stands beside them. A Site's own win.
    """
    from headway.cli.catalog_gpus import describe, record, table  # noqa: PLC0415
    from headway.cli.tables import show  # noqa: PLC0415
    from headway.perf.catalog.accelerators import accelerator, accelerators  # noqa: PLC0415

    if name:
        found = accelerator(name)
        print(json.dumps(record(found), indent=2) if as_json else describe(found))
    elif as_json:
        print(json.dumps([record(each) for each in accelerators().values()], indent=2))
    else:
        show(table(accelerators().values()))


@catalog.command()
def models(
    name: Annotated[
        str,
        typer.Argument(
            help="All about this one: a name, or the path of a config.json or a GGUF file; left out = a table."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List models: parameters, weights, KV cache for each token, context.

    Counts follow from the shape: matrices only, without what speculates or sees. With NAME, also every checkpoint that
    the catalogue has of it.
    """
    from headway.cli.catalog_models import describe, record, table  # noqa: PLC0415
    from headway.cli.tables import show  # noqa: PLC0415
    from headway.engines.shape import shape_of  # noqa: PLC0415
    from headway.perf.catalog.models import architectures, shapes  # noqa: PLC0415

    if name:
        found = shape_of(name)
        print(json.dumps(record(found), indent=2) if as_json else describe(found))
    elif as_json:
        print(json.dumps([record(each) for each in architectures().values()], indent=2))
    else:
        show(table([architectures()[each] for each in shapes()]))
        print(f"\n{len(architectures())} checkpoints have these shapes; --json lists them all")
