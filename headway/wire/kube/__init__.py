"""The Kubernetes API as several rooms speak it: objects as JSON has them, server-side apply, watches that never end."""
