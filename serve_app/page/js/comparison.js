// Two runs of the same question, and what the second one saved.

import { h } from "./dom.js";
import { count, milliseconds, percent, whole } from "./format.js";
import { bar } from "./ledger.js";

const EQUAL_SHARE = 0.05;

export function comparison(first, again) {
	const before = first.timings_ms.ttft;
	const after = again.timings_ms.ttft;
	const saved = before - after;
	const equal = Math.abs(saved) <= EQUAL_SHARE * before;
	return h(
		"section",
		{ class: "comparison", "aria-label": "Both runs compared" },
		h(
			"div",
			{ class: "saved" },
			h("strong", {}, equal ? "Equal" : percent(Math.abs((100 * saved) / before))),
			h("span", {}, `${equal ? "time" : saved > 0 ? "less time" : "more time"} to the first token`),
		),
		h(
			"dl",
			{ class: "runs-compared" },
			row("First", before, Math.max(before, after), first, "cold"),
			row("Again", after, Math.max(before, after), again, "warm"),
		),
		h("p", { class: "muted small" }, sentence(first, again, saved)),
	);
}

function row(name, ms, longest, ledger, kind) {
	const label = `${name}: first token after ${milliseconds(ms)}`;
	return h(
		"div",
		{},
		h("dt", {}, name),
		h(
			"dd",
			{},
			h("span", { class: "track" }, bar(label, [[kind, ms, label]], longest)),
			h("b", {}, milliseconds(ms)),
		),
		h("dd", { class: "muted small" }, `${count(prefilledOf(ledger), "token")} prefilled`),
	);
}

function sentence(first, again, saved) {
	const told = [saved >= 0 ? `${milliseconds(saved)} saved.` : `${milliseconds(-saved)} lost.`];
	const spared = prefilledOf(first) - prefilledOf(again);
	if (spared > 0) told.push(`${whole(spared)} tokens did not have to be prefilled again.`);
	const tokenized = first.reuse.tokenized - again.reuse.tokenized;
	if (tokenized > 0) told.push(`${count(tokenized, "passage")} did not have to be tokenized again.`);
	if (spared <= 0 && tokenized <= 0) told.push("The first run had found as much in the caches.");
	return told.join(" ");
}

function prefilledOf(ledger) {
	return ledger.reuse.prompt_tokens - ledger.reuse.kv_cached_tokens;
}
