"""Tenants' cache salts in an agent's process, as far as the leases on their epochs tell."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.ids import Scope
from deployments.core.salt import cache_salt, salt_scope
from deployments.retrieval.held_leases import LeaseKeeper


@dataclass(frozen=True, slots=True)
class TenantSalts:
    """Implements `Salts`."""

    keeper: LeaseKeeper
    secret: bytes
    """Key of the salts."""

    def known(self, scope: Scope) -> str | None:
        """The salt if there are leases on the scope and on its tenant's epoch. Renews both."""
        epoch = self.keeper.state(salt_scope(scope.tenant))
        if epoch is None or self.keeper.state(scope) is None:
            return None
        return cache_salt(self.secret, scope.tenant, epoch)

    async def of(self, scope: Scope) -> str:
        """The salt; asks the knowledge base where there is no lease. Raises KnowledgeUnavailable."""
        of_tenant = salt_scope(scope.tenant)
        states = await self.keeper.current_states({of_tenant, scope})
        return cache_salt(self.secret, scope.tenant, states[of_tenant])
