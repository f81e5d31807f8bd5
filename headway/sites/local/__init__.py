"""The Site `local`: engines as processes on this machine."""

from headway.sites.local.settings import LocalSettings
from headway.sites.local.site import LocalSite

__all__ = ["LocalSettings", "LocalSite"]
