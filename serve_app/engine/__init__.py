"""Ray Serve's side of the Engine deployment: its client, its request router, its metrics."""
