"""Warmline's deployments: one package a feature, and `core`, through which they meet."""
