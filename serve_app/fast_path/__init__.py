"""Serve's fast path: HAProxy in front of the ingress, and calls between replicas over gRPC."""
