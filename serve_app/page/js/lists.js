// Lists of Markdown, nested by indentation.

import { h } from "./dom.js";
import { inline } from "./inline.js";

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+)(.*)$/;

export function startsList(line) {
	return ITEM.test(line);
}

// The list that begins at a line, and the line after it. `blocks` makes elements of an item's own lines.
export function listAt(lines, at, blocks, mark) {
	const [, indent, bullet] = ITEM.exec(lines[at]);
	const numbered = /\d/.test(bullet);
	const items = [];
	let next = at;
	while (next < lines.length) {
		const item = ITEM.exec(lines[next]);
		if (!item || item[1].length !== indent.length || /\d/.test(item[2]) !== numbered) break;
		const end = endOfItem(lines, next + 1, indent.length);
		items.push(itemOf(item, lines.slice(next + 1, end), blocks, mark));
		next = end;
	}
	const start = numbered && parseInt(bullet, 10) !== 1 ? parseInt(bullet, 10) : null;
	return [h(numbered ? "ol" : "ul", { start }, items), next];
}

// The first line that no longer belongs to an item whose bullet is indented by `indent`.
function endOfItem(lines, at, indent) {
	let end = at;
	while (end < lines.length) {
		const line = lines[end];
		const deeper = /^\s*/.exec(line)[0].length > indent;
		if (!line.trim()) {
			const after = lines.slice(end).find((other) => other.trim());
			if (after === undefined || /^\s*/.exec(after)[0].length <= indent) break;
		} else if (!deeper && (startsList(line) || !lines[end - 1].trim() || /^\s*(#|```|~~~|>)/.test(line)))
			break;
		end += 1;
	}
	// A blank line between two items of one list belongs to the first of them.
	const after = lines.slice(end).findIndex((line) => line.trim());
	return after > 0 && ITEM.exec(lines[end + after])?.[1].length === indent ? end + after : end;
}

function itemOf([, indent, bullet, blanks, first], others, blocks, mark) {
	const width = indent.length + bullet.length + Math.min(blanks.length, 4);
	const inner = others.map((line) => line.slice(Math.min(width, /^\s*/.exec(line)[0].length)));
	const blank = inner.findIndex((line) => !line.trim() || startsList(line) || /^(```|~~~)/.test(line));
	const lead = [first, ...inner.slice(0, blank < 0 ? inner.length : blank)].join("\n");
	const rest = blank < 0 ? [] : blocks(inner.slice(blank));
	return h("li", {}, inline(lead, mark), rest);
}
