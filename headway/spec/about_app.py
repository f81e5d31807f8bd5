"""What each field of an App means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "COMMAND",
    "CPU",
    "ENV",
    "FOLDER",
    "GPU",
    "IDLE",
    "IMAGE",
    "KIND",
    "MEMORY",
    "MODELS",
    "NAME",
    "PORT",
    "PRESET",
    "PROFILES",
    "READY",
    "STORAGE",
    "TENANT",
]

KIND = field_about("Kind", "What this document describes.", "App")
NAME = field_about(
    "Name",
    "What headway open calls it. Letters a-z, digits and -, at most 63; no Model or Route has the same name.",
    "notes",
)
PRESET = field_about(
    "Preset",
    "notebook (JupyterLab), vscode (code-server), gradio or streamlit: gives image, port, readiness and, of the first "
    "two, the command. What is written beside it goes before it.",
    "notebook",
    "streamlit",
)
IMAGE = field_about(
    "Image",
    "What a cluster runs. It must be able to run as a user that is not root. On this machine it is not read.",
    "quay.io/jupyter/scipy-notebook:lab-4.4.9",
    "registry.example.com/team/assistant:1.4",
)
COMMAND = field_about(
    "Command",
    "The program and its arguments, by no shell. {host}, {port} and {storage} are put in, and are PORT, HOST and "
    "STORAGE in its environment, too. On a cluster without it: the image's own.",
    ["python", "app.py"],
    ["uvicorn", "chat:app", "--host", "{host}", "--port", "{port}"],
)
PORT = field_about(
    "Port",
    "Where it listens in its container. On this machine it is given a free one.",
    8000,
)
READY = field_about(
    "Ready",
    "The path that answers 200 when it is up. Left out: the preset's, else /.",
    "/healthz",
)
FOLDER = field_about(
    "Folder",
    "Where it runs on this machine. A relative one is seen from the folder of this file. Left out: its storage.",
    "./notebooks",
)
STORAGE = field_about(
    "Storage",
    "A volume of its own that outlives it, of this size: a PersistentVolumeClaim on a cluster, a folder in Headway's "
    "state here (where the size is not enforced). Left out: what it writes is gone when it stops.",
    "10GB",
    unit="size: kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)",
)
IDLE = field_about(
    "Idle",
    "Stop it after so long without use; headway open starts it again. Left out: it stays.",
    "30m",
    unit="duration: ms, s, m, h, d",
)
TENANT = field_about(
    "Tenant",
    "Whose key it calls the gateway with. Left out: that of the only Tenant; without any it needs no key.",
    "research",
)
MODELS = field_about(
    "Models",
    "What its key may use: names, or patterns with *. Left out: all that the Tenant may.",
    ["chat", "embed-*"],
)
GPU = field_about("GPU", "As a Model's. Left out: none.", "L4", "mig-1g.10gb", "cpu")
CPU = field_about("CPU", "Cores that it may count on. Left out: the preset's, else 1.", 2, "500m", unit="cores")
MEMORY = field_about(
    "Memory",
    "Left out: the preset's, else 1GB.",
    "4GB",
    unit="size: kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)",
)
ENV = field_about(
    "Environment",
    "Variables. A secret is named, never written. OPENAI_BASE_URL and OPENAI_API_KEY lead to the gateway.",
    {"HF_TOKEN": "secret:hf/token"},
)
PROFILES = field_about(
    "Profiles",
    "What is different on one Site, by its name, or else by its kind (local, kubernetes). env is laid over by key.",
    {"local": {"gpu": "cpu"}, "kubernetes": {"gpu": "L4", "image": "registry.example.com/team/lab:2"}},
)
