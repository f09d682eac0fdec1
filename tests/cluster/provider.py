"""Ray's node provider for the cloud on this machine: what Ray has for AWS and others, in their place.

Ray's autoscaler imports it on the head. The cloud's hosts start Ray themselves, so no updater is needed.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from ray.autoscaler.node_provider import NodeProvider


class HostProvider(NodeProvider):  # type: ignore[misc]  # Ray is not followed
    """Asks the cloud at the URL of the provider's configuration."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        super().__init__(provider_config, cluster_name)
        self._instances: dict[str, dict[str, Any]] = {}

    def _ask(self, path: str, **body: Any) -> None:
        """Calls the cloud; every answer has its instances."""
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(self.provider_config["url"] + path, data, timeout=60) as response:
            self._instances = json.load(response)

    def non_terminated_nodes(self, tag_filters: dict[str, str]) -> list[str]:
        """The ids of instances with these tags."""
        self._ask("/")
        wanted = tag_filters.items()
        return [id for id, instance in self._instances.items() if wanted <= instance["tags"].items()]

    def is_running(self, node_id: str) -> bool:
        """Whether an instance runs."""
        return node_id in self._instances

    def is_terminated(self, node_id: str) -> bool:
        """Whether an instance has ended."""
        return node_id not in self._instances

    def node_tags(self, node_id: str) -> dict[str, str]:
        """An instance's tags."""
        tags: dict[str, str] = self._instances[node_id]["tags"]
        return tags

    def internal_ip(self, node_id: str) -> str:
        """An instance's address."""
        return str(self._instances[node_id]["address"])

    external_ip = internal_ip

    def create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: Any, labels: Any
    ) -> None:
        """Launches instances; their type says what they have."""
        self._ask("/launch", tags=tags, count=count)

    def terminate_node(self, node_id: str) -> None:
        """Ends an instance."""
        self._ask("/end", id=node_id)
