// A question to an agent, and its answer as it comes.

import { ApiError, send } from "./api.js";
import { eventsOf } from "./events.js";

// What to send. `turns` are the question-and-answer pairs before it, oldest first.
export function requestOf(agent, question, turns, options) {
	const own = turns.length === 0 && agent.path ? agent.body(question) : null;
	const shared = { stream: true, temperature: options.temperature };
	if (options.maxTokens) shared.max_tokens = options.maxTokens;
	if (own) return { path: agent.path, body: { ...own, ...shared, top_k: options.passages } };
	const messages = turns.flatMap((turn) => [
		{ role: "user", content: turn.question },
		{ role: "assistant", content: turn.answer },
	]);
	messages.push({ role: "user", content: question });
	return { path: "v1/chat/completions", body: { model: agent.name, messages, ...shared } };
}

// Yields { text } for each piece, then { ledger }. Raises ApiError, also for an error within the stream.
export async function* answerTo(request, signal) {
	const response = await send(request.path, { body: request.body, signal });
	for await (const event of eventsOf(response)) {
		if (event.data === "[DONE]") return;
		const data = JSON.parse(event.data);
		if (data.error) throw new ApiError(data.error.message, 0, data.error.param);
		if (event.name === "ledger") yield { ledger: data };
		else if (event.name === "delta") yield { text: data.text };
		else yield* piecesOf(data);
	}
}

function* piecesOf(chunk) {
	const text = chunk.choices?.[0]?.delta?.content;
	if (text) yield { text };
	if (chunk.warmline) yield { ledger: chunk.warmline };
}
