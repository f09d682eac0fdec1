// A prompt drawn as its passages: width by tokens, colour by where the tokens came from.

import { h } from "./dom.js";
import { count, duration, whole } from "./format.js";

const SOURCES = {
	kv: "reused from the engine's KV cache",
	l1: "prefilled; token ids from this replica's memory (L1)",
	redis: "prefilled; token ids from Redis",
	tokenized: "prefilled; tokenized now",
	text: "prefilled; instructions and question",
};
const CAUSES = {
	never_seen: "no replica has held it yet",
	changed: "its document has changed",
	evicted: "the engine evicted it",
	order: "the engine holds it after other passages",
	replica: "another replica holds it",
	unaligned: "its last tokens do not fill a block of the cache",
	events_lost: "events about the engine's cache are missing",
};

// [source, tokens, title] for each part, in the prompt's order.
export function promptParts(reuse) {
	const misses = new Map(reuse.missed.map((miss) => [miss.passage, miss]));
	const passages = reuse.passages.flatMap((passage, place) => passageParts(passage, misses.get(place)));
	const reused = passages.reduce((sum, [source, tokens]) => sum + (source === "kv" ? tokens : 0), 0);
	const around = reuse.prompt_tokens - reuse.passages.reduce((sum, { tokens }) => sum + tokens, 0);
	const instructions = Math.min(Math.max(reuse.kv_cached_tokens - reused, 0), around);
	return [
		part("kv", instructions, "Instructions"),
		...passages,
		part("text", around - instructions, "Instructions and question"),
	].filter(([, tokens]) => tokens > 0);
}

function passageParts({ doc_id: id, tokens, source }, miss) {
	const prefilled = miss?.tokens ?? 0;
	return [
		part("kv", tokens - prefilled, id),
		part(source, prefilled, id, miss && `: ${CAUSES[miss.cause] ?? miss.cause}${ago(miss)}`),
	];
}

function part(source, tokens, name, why = "") {
	return [source, tokens, `${name}: ${count(tokens, "token")} ${SOURCES[source]}${why ?? ""}`];
}

function ago({ evicted_ago_s: seconds }) {
	return seconds === null || seconds < 0.05 ? "" : ` ${duration(seconds)} ago`;
}

// The legend's rows: [source, tokens, title], for sources that the prompt has.
export function promptSums(parts) {
	return Object.entries(SOURCES)
		.map(([source, title]) => [
			source,
			parts.reduce((sum, [name, tokens]) => sum + (name === source ? tokens : 0), 0),
			title,
		])
		.filter(([, tokens]) => tokens > 0);
}

// Why passages were prefilled, as a list that can be opened.
export function promptMisses({ missed }) {
	if (!missed.length) return null;
	const rows = missed.map((miss) =>
		h(
			"li",
			{},
			h("b", {}, whole(miss.tokens)),
			` of ${miss.doc_id}: ${CAUSES[miss.cause] ?? miss.cause}${ago(miss)}`,
		),
	);
	return h(
		"details",
		{ class: "misses" },
		h("summary", {}, `Why ${count(missed.length, "passage")} needed prefill`),
		h("ul", {}, rows),
	);
}
