"""The parts alone: `headway gateway` over any OpenAI-compatible servers, `headway mock-engine` instead of a GPU,
`headway picker` beside somebody else's proxy, `headway operator` in a cluster."""

from __future__ import annotations

import typer

__all__ = ["register"]

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    app.command(context_settings=PASSED_ON, add_help_option=False)(gateway)
    app.command(context_settings=PASSED_ON, add_help_option=False)(picker)
    app.command(context_settings=PASSED_ON, add_help_option=False)(operator)
    app.command("mock-engine", context_settings=PASSED_ON, add_help_option=False)(mock_engine)


def gateway(context: typer.Context) -> None:
    """Run the gateway alone: over a table, or in a Kubernetes cluster.

    For any OpenAI-compatible servers. Its options: headway gateway --help; with --cluster it follows the cluster's own
    objects, and so do its further options: headway gateway --cluster --help.
    """
    if "--cluster" in context.args:
        from headway.control.cluster import command  # noqa: PLC0415

        raise typer.Exit(command.gateway(context.args))
    from headway.gateway.__main__ import main  # noqa: PLC0415

    raise typer.Exit(main(context.args))


def picker(context: typer.Context) -> None:
    """Pick endpoints for Envoy and other gateways.

    It speaks the endpoint-picker protocol of the Gateway API Inference Extension, with the gateway's own policy over
    the same table, or with --cluster over the engines of a namespace. Its options: headway picker --help.
    """
    if "--cluster" in context.args:
        from headway.control.cluster import command  # noqa: PLC0415

        raise typer.Exit(command.picker(context.args))
    from headway.gateway.picker.__main__ import main  # noqa: PLC0415

    raise typer.Exit(main(context.args))


def operator(context: typer.Context) -> None:
    """Serve the Models of a Kubernetes cluster.

    What its objects ask for is what runs there. headway install puts it on a cluster; its options: headway operator
    --help.
    """
    from headway.control.operator.__main__ import main  # noqa: PLC0415

    raise typer.Exit(main(context.args))


def mock_engine(context: typer.Context) -> None:
    """Run a mock engine: no GPU, no model.

    It speaks the OpenAI API and vLLM's metrics, with a batch, a prefix cache, adapters and the speed of a profile, and
    each fault that an engine can have. Its options: headway mock-engine --help.
    """
    from headway.engines.mock_server import main  # noqa: PLC0415

    main(context.args)
