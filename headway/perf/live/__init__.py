"""Live calibration: the engine's constants fitted again, on what Headway itself measured on the user's hardware."""
