// Markdown as elements. Text from models and documents only ever becomes text nodes.

import { h } from "./dom.js";
import { inline } from "./inline.js";
import { listAt, startsList } from "./lists.js";

const FENCE = /^\s*(```+|~~~+)\s*(\S*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^\s*>\s?/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

// The text's highest heading becomes one of level `top`. `mark` makes the element for "[2]" in the text, or
// returns null to leave it as it is.
export function markdown(text, top, mark = () => null) {
	const lines = text.replaceAll("\r\n", "\n").split("\n");
	const levels = lines.map((line) => HEADING.exec(line)?.[1].length ?? 6);
	return blocks(lines, { mark, shift: top - Math.min(...levels) });
}

function blocks(lines, how) {
	const found = [];
	let at = 0;
	while (at < lines.length) {
		const [element, next] = blockAt(lines, at, how);
		if (element) found.push(element);
		at = next;
	}
	return found;
}

// The block that begins at a line, and the line after it.
function blockAt(lines, at, how) {
	const line = lines[at];
	if (!line.trim()) return [null, at + 1];
	const heading = HEADING.exec(line);
	if (FENCE.test(line)) return fenceAt(lines, at);
	if (heading)
		return [h(`h${Math.min(heading[1].length + how.shift, 6)}`, {}, inline(heading[2], how.mark)), at + 1];
	if (RULE.test(line)) return [h("hr"), at + 1];
	if (QUOTE.test(line)) return quoteAt(lines, at, how);
	if (startsList(line)) return listAt(lines, at, (inner) => blocks(inner, how), how.mark);
	if (isTable(lines, at)) return tableAt(lines, at, how);
	return paragraphAt(lines, at, how);
}

function fenceAt(lines, at) {
	const [, fence, language] = FENCE.exec(lines[at]);
	let end = at + 1;
	while (end < lines.length && !lines[end].trim().startsWith(fence)) end += 1;
	const code = h("code", {}, lines.slice(at + 1, end).join("\n"));
	const label = language ? `Code, ${language}` : "Code";
	return [h("pre", { tabindex: 0, role: "group", "aria-label": label }, code), end + 1];
}

function quoteAt(lines, at, how) {
	let end = at;
	while (end < lines.length && QUOTE.test(lines[end])) end += 1;
	const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
	return [h("blockquote", {}, blocks(inner, how)), end];
}

function isTable(lines, at) {
	return lines[at].includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && lines[at + 1].includes("-");
}

function tableAt(lines, at, how) {
	let end = at + 2;
	while (end < lines.length && lines[end].includes("|")) end += 1;
	const head = cells(lines[at]).map((cell) => h("th", { scope: "col" }, inline(cell, how.mark)));
	const rows = lines.slice(at + 2, end).map((line) =>
		h(
			"tr",
			{},
			cells(line).map((cell) => h("td", {}, inline(cell, how.mark))),
		),
	);
	const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
	return [h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Table" }, table), end];
}

function cells(line) {
	const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
	return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function paragraphAt(lines, at, how) {
	let end = at + 1;
	while (end < lines.length && lines[end].trim() && !interrupts(lines, end)) end += 1;
	return [
		h(
			"p",
			{},
			inline(
				lines
					.slice(at, end)
					.map((line) => line.trim())
					.join("\n"),
				how.mark,
			),
		),
		end,
	];
}

function interrupts(lines, at) {
	const line = lines[at];
	return FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || startsList(line) || isTable(lines, at);
}
