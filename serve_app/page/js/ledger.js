// <wl-ledger>: where an answer's time went, and what its prompt reused, drawn.

import { fill, h } from "./dom.js";
import { count, milliseconds, percent, whole } from "./format.js";
import { promptMisses, promptParts, promptSums } from "./prompt_bar.js";

const STAGES = {
	retrieve: "Search for passages",
	tokens: "Get their token ids",
	assemble: "Join the prompt",
	route: "Choose order and replica",
	queue: "Wait for the engine",
	other: "Between the stages",
	prefill: "Read the prompt (prefill)",
	decode: "Write the answer (decode)",
};
const NAMES = {
	kv: "KV reused",
	l1: "ids from L1",
	redis: "ids from Redis",
	tokenized: "tokenized",
	text: "other text",
};

class Ledger extends HTMLElement {
	set ledger(ledger) {
		fill(this, time(ledger.timings_ms), prompt(ledger.reuse), notes(ledger));
	}
}

function time(timings) {
	const stages = stagesOf(timings);
	const label = stages.map(([name, ms]) => `${name} ${milliseconds(ms)}`).join(", ");
	return h(
		"section",
		{ class: "ledger-part" },
		heading(
			"Time",
			`first token after ${milliseconds(timings.ttft)}, whole answer ${milliseconds(timings.total)}`,
		),
		bar(
			`Time by stage: ${label}`,
			stages.map(([name, ms]) => [`stage-${name}`, ms, `${STAGES[name]}: ${milliseconds(ms)}`]),
		),
		timeline(timings),
		h(
			"ul",
			{ class: "legend stages" },
			stages.map(([name, ms]) => legend(`stage-${name}`, name, milliseconds(ms), STAGES[name])),
		),
	);
}

// The stages, and what `total` has besides them, nearly all of it on the way to the engine.
function stagesOf(timings) {
	const measured = Object.keys(STAGES).filter((name) => name !== "other");
	const other = timings.total - measured.reduce((sum, name) => sum + (timings[name] ?? 0), 0);
	return Object.keys(STAGES)
		.map((name) => [name, name === "other" ? other : (timings[name] ?? 0)])
		.filter(([name, ms]) => name !== "other" || ms >= 0.5);
}

function timeline(timings) {
	if (!timings.total) return null;
	const share = Math.min(timings.ttft / timings.total, 1);
	const line = h(
		"div",
		{ class: "timeline", "aria-hidden": "true" },
		h("span", { class: "until" }),
		h("span", { class: "after" }, share < 0.7 ? "first token" : ""),
	);
	line.firstChild.style.width = `${share * 100}%`;
	return line;
}

function prompt(reuse) {
	const { prompt_tokens: all, kv_cached_tokens: reused } = reuse;
	if (!all) return h("p", { class: "muted" }, "There was no prompt: no document was found to answer from.");
	const parts = promptParts(reuse);
	const sums = promptSums(parts);
	const told = sums.map(([, tokens, title]) => `${whole(tokens)} ${title}`).join(", ");
	return h(
		"section",
		{ class: "ledger-part" },
		heading("Prompt", `${whole(reused)} of ${count(all, "token")} reused (${percent((100 * reused) / all)})`),
		bar(
			`Prompt of ${all} tokens: ${told}`,
			parts.map(([source, tokens, title]) => [`source-${source}`, tokens, title]),
		),
		h(
			"ul",
			{ class: "legend" },
			sums.map(([source, tokens, title]) =>
				legend(`source-${source}`, NAMES[source], whole(tokens), title),
			),
		),
		promptMisses(reuse),
	);
}

function notes(ledger) {
	const { dropped, answer, order } = ledger.reuse;
	const said = [`Order of documents: ${order}.`];
	if (dropped.length) said.push(`Left out, because they did not fit: ${dropped.join(", ")}.`);
	if (answer === "shared" || answer === "reused")
		said.push("This is the answer to an equal request, given again.");
	if (answer === "no_context") said.push("No document was found to answer from.");
	if (ledger.cache_error) said.push(`The token cache was bypassed: ${ledger.cache_error}.`);
	if (ledger.finish_reason === "length") said.push("The answer reached its limit of tokens.");
	return h("p", { class: "muted small" }, said.join(" "));
}

function heading(name, said) {
	return h("h3", {}, name, h("span", {}, said));
}

// A stacked bar of [class, amount, title].
export function bar(label, parts, full = 0) {
	const sum = parts.reduce((total, [, amount]) => total + amount, 0);
	const pieces = parts
		.filter(([, amount]) => amount > 0)
		.map(([kind, amount, title]) => piece(kind, amount, title));
	const drawn = h("div", { class: "bar", role: "img", "aria-label": label }, pieces);
	if (full > 0) drawn.style.width = `${Math.max((100 * sum) / full, 0.6)}%`;
	return drawn;
}

function piece(kind, amount, title) {
	const element = h("span", { class: kind, title });
	element.style.flexGrow = amount;
	return element;
}

export function legend(kind, name, amount, title = name) {
	return h("li", { title }, h("span", { class: `dot ${kind}` }), name, h("b", {}, amount));
}

customElements.define("wl-ledger", Ledger);
