"""The seed's three usage examples, import path aside; they find the application by its settings."""

from __future__ import annotations

import asyncio

from serve_app.client import BusinessGenerationAgent, SupportAgent, get_documentation_agent


async def support_example() -> None:
    """A question to the support agent."""
    agent = SupportAgent(business_id="my_business", enable_memory=True)

    # Use cached method for 70-80% latency reduction
    result = await agent.answer_support_query_cached(
        query="How do I reset my password?", top_k=5, max_tokens=500
    )

    print(f"Response: {result['response']}")
    print(f"Cache hit: {result['cache_hit']}")
    print(f"Latency: {result['latency_ms']:.0f}ms")
    if result.get("cache_stats"):
        print(f"Hit rate: {result['cache_stats']['hit_rate']:.1f}%")


async def business_example() -> None:
    """A recall of business templates."""
    agent = BusinessGenerationAgent(business_id="my_business", enable_memory=True)

    # Use cached method for 60-70% latency reduction
    result = await agent.recall_business_templates_cached(business_type="saas", top_k=5, max_tokens=1000)

    print(f"Templates: {result['templates']}")
    print(f"Cache hit: {result['cache_hit']}")
    print(f"Latency: {result['latency_ms']:.0f}ms")


async def documentation_example() -> None:
    """A look-up, and an update."""
    # Using factory method (singleton)
    agent = get_documentation_agent(business_id="my_business", enable_memory=True)

    # Use cached method for 75-85% latency reduction
    result = await agent.lookup_documentation_cached(
        query="How to authenticate?", section="api", top_k=5, max_tokens=1000
    )

    print(f"Documentation: {result['documentation']}")
    print(f"Cache hit: {result['cache_hit']}")
    print(f"Latency: {result['latency_ms']:.0f}ms")

    # Cache invalidation on updates
    await agent.update_documentation(
        doc_id="doc_123",
        content="Updated content",
        invalidate_cache=True,  # Clears cache on update
    )


async def main() -> None:
    """Runs the examples one after another."""
    await support_example()
    await business_example()
    await documentation_example()


if __name__ == "__main__":
    asyncio.run(main())
