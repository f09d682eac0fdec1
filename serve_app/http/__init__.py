"""The HTTP API: one router a resource, over services that the ingress is given."""
