"""Traces, by OpenTelemetry, which only this package knows. `export` turns them on; they are off without it.

A trace of an answer consists of the HTTP request (`requests`), in it the agent's call (`calls`), in that the
stages of the answer (`spans.stage`) and the engine's call, and in the stages the calls of other deployments.
Spans never have texts of questions, documents, answers or errors, nor names of tenants or documents.
"""
