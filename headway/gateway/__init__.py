"""The data plane that users call: OpenAI-compatible, one immutable RoutingTable at a time, no calls to control."""
