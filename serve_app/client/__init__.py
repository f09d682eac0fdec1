"""The agents of the running application, as async Python objects.

    agent = SupportAgent(business_id="my_business")
    result = await agent.answer_support_query_cached("How do I reset my password?")

Inside Ray they call the application over a Serve handle, elsewhere over HTTP. Results are the bodies of the
HTTP API as dicts; its errors are raised as the `WarmlineError`s they are.
"""

from __future__ import annotations

from serve_app.client.business import BusinessGenerationAgent
from serve_app.client.documentation import DocumentationAgent, get_documentation_agent
from serve_app.client.support import SupportAgent

__all__ = [
    "BusinessGenerationAgent",
    "DocumentationAgent",
    "SupportAgent",
    "get_documentation_agent",
]
