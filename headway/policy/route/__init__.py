"""Kind Route, as the gateway decides by it: which Model answers a request that named none."""

from headway.policy.route.order import RouteWhy, State, Step, first, following
from headway.policy.route.rule import ANY, Condition, Fallback, Match, RouteRule, ShadowRule, Slo, Target

__all__ = [
    "ANY",
    "Condition",
    "Fallback",
    "Match",
    "RouteRule",
    "RouteWhy",
    "ShadowRule",
    "Slo",
    "State",
    "Step",
    "Target",
    "first",
    "following",
]
