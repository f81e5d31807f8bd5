"""The page at the control process's address: plain ES modules over `/state` and `/events`, no build step.

    app = Starlette(routes=page.routes(snapshot, watch),
                    middleware=[Middleware(guard, hosts=(), gateway=lambda: snapshot().gateway.address)])

The page only reads. What it shows is one Snapshot; the playground calls the gateway itself, like any caller.
"""
