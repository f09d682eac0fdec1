// What the answers of the last hour and day reused, as lines over time.

import { h, svg } from "./dom.js";
import { count, percent } from "./format.js";
import { legend } from "./ledger.js";

const SPANS = { hour: "Last hour", day: "Last day" };
const LINES = [
	["warm", "passages found", "segments_found", (s, i) => s.segments_found[i] + s.segments_tokenized[i]],
	["kv", "prompt tokens reused", "kv_cached_tokens", (s, i) => s.prompt_tokens[i]],
];

// A chart for each span that has answers.
export function history(spans) {
	return Object.entries(SPANS).map(([span, title]) => chart(title, spans[span]));
}

function chart(title, series) {
	const answers = sum(series.answers);
	if (!answers) return null;
	const lines = LINES.map(([kind, name, part, whole]) => {
		const of = series.answers.map((_, i) => whole(series, i));
		const share = sum(series[part]) / sum(of);
		const told = Number.isNaN(share) ? "–" : percent(100 * share);
		return { kind, name, told, d: line(series[part].map((one, i) => one / of[i])) };
	});
	const label = `${title}: ${lines.map(({ name, told }) => `${name} ${told}`).join(", ")}`;
	return h(
		"div",
		{ class: "history" },
		h("p", { class: "muted" }, `${title}, ${count(answers, "answer")}`),
		series.answers.filter(Boolean).length > 1 && // one step makes no line
			svg(
				"svg",
				{ viewBox: `0 0 ${series.answers.length} 1`, preserveAspectRatio: "none", role: "img", "aria-label": label },
				...lines.map(({ kind, d }) => svg("path", { class: `line-${kind}`, d })),
			),
		h("ul", { class: "legend" }, lines.map(({ kind, name, told }) => legend(kind, name, told))),
	);
}

// Steps without an answer (NaN) are gaps; a step between two gaps is a dot.
function line(shares) {
	const drawn = (i) => !Number.isNaN(shares[i] ?? Number.NaN);
	return shares
		.map((share, i) => (drawn(i) ? `${drawn(i - 1) ? "L" : "M"}${i + 0.5} ${1 - share}h0` : ""))
		.join("");
}

function sum(numbers) {
	return numbers.reduce((total, one) => total + one, 0);
}
