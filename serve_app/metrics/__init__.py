"""Metrics of the running application: recorded through Ray, read at `GET /metrics`.

`ray_metrics` records what `deployments.core.metrics` declares; Ray's agent on each node collects it.
`cluster_metrics` reads all agents, so that one scrape target has the metrics of the whole application.
"""
