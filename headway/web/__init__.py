"""The page at the control process's address."""
