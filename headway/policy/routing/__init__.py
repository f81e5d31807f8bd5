"""Which endpoint takes a request. `choose` decides; the policies differ only in how they look at the candidates."""

from headway.policy.routing.candidate import Candidate, coming
from headway.policy.routing.choose import RAMP_SECONDS, PolicyName, choose
from headway.policy.routing.cooldown import cooldown
from headway.policy.routing.elsewhere import Elsewhere
from headway.policy.routing.host import Host
from headway.policy.routing.outlook import Outlook, dearer, outlook
from headway.policy.routing.saturation import PATIENCE, saturated
from headway.policy.routing.shapes import Ask, Choice, Why
from headway.policy.routing.stay import Stay
from headway.policy.routing.terms import Terms, terms

__all__ = [
    "PATIENCE",
    "RAMP_SECONDS",
    "Ask",
    "Candidate",
    "Choice",
    "Elsewhere",
    "Host",
    "Outlook",
    "PolicyName",
    "Stay",
    "Terms",
    "Why",
    "choose",
    "coming",
    "cooldown",
    "dearer",
    "outlook",
    "saturated",
    "terms",
]
