// What changed between two texts, line by line.

import { h } from "./dom.js";

const MAX_CELLS = 4_000_000;
const AROUND = 3; // unchanged lines shown before and after a change

export function differences(before, after) {
	const lines = compare(before.split("\n"), after.split("\n"));
	if (!lines) return h("p", { class: "muted" }, "These versions differ too much to be compared here.");
	if (lines.every(({ sign }) => sign === " "))
		return h("p", { class: "muted" }, "These versions have the same text.");
	const near = lines.map((_, at) =>
		lines.slice(Math.max(at - AROUND, 0), at + AROUND + 1).some(({ sign }) => sign !== " "),
	);
	const shown = lines.flatMap((line, at) =>
		near[at] ? [row(line)] : near[at - 1] || at === 0 ? [h("li", { class: "skipped" }, "…")] : [],
	);
	return h("ol", { class: "difference" }, shown);
}

function row({ sign, text }) {
	const kind = { "+": ["added", "ins"], "-": ["removed", "del"], " ": ["same", "span"] }[sign];
	return h("li", { class: kind[0] }, h("span", { "aria-hidden": "true" }, sign), h(kind[1], {}, text || " "));
}

// Lines with their sign: " " in both, "-" only before, "+" only after. null if that takes too long.
export function compare(before, after) {
	let head = 0;
	while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
	let tail = 0;
	const most = Math.min(before.length, after.length) - head;
	while (tail < most && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
	const middle = longest(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
	if (!middle) return null;
	const same = (lines) => lines.map((text) => ({ sign: " ", text }));
	return [...same(before.slice(0, head)), ...middle, ...same(before.slice(before.length - tail))];
}

// By the longest common subsequence.
function longest(a, b) {
	const width = b.length + 1;
	if ((a.length + 1) * width > MAX_CELLS) return null;
	const lengths = new Uint32Array((a.length + 1) * width);
	for (let i = a.length - 1; i >= 0; i -= 1) {
		for (let j = b.length - 1; j >= 0; j -= 1) {
			const [right, below] = [lengths[i * width + j + 1], lengths[(i + 1) * width + j]];
			lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(right, below);
		}
	}
	const lines = [];
	let [i, j] = [0, 0];
	while (i < a.length || j < b.length) {
		if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ sign: " ", text: a[i++], j: j++ });
		else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]))
			lines.push({ sign: "-", text: a[i++] });
		else lines.push({ sign: "+", text: b[j++] });
	}
	return lines;
}
