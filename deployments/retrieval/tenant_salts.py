"""Tenants' cache salts in an agent's process, as far as the leases on their epochs tell."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.ids import TenantId
from deployments.core.salt import cache_salt, salt_scope
from deployments.retrieval.lease_keeper import LeaseKeeper


@dataclass(frozen=True, slots=True)
class TenantSalts:
    """Implements `Salts`."""

    keeper: LeaseKeeper
    secret: bytes
    """Key of the salts."""

    def known(self, tenant: TenantId) -> str | None:
        """The tenant's salt if there is a lease on its epoch. Starts renewing the lease."""
        epoch = self.keeper.state(salt_scope(tenant))
        return None if epoch is None else cache_salt(self.secret, tenant, epoch)

    async def of(self, tenant: TenantId) -> str:
        """The tenant's salt; asks the knowledge base if there is no lease. Raises KnowledgeUnavailable."""
        return cache_salt(self.secret, tenant, await self.keeper.current_state(salt_scope(tenant)))
