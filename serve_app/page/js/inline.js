// Markdown within a line: code, bold, italic, links, numbers of sources.

import { h } from "./dom.js";

const TOKEN = new RegExp(
	[
		/\\([!-/:-@[-`{-~])/, // 1: an escaped sign
		/(`+)(.+?)\2(?!`)/, // 2, 3: code
		/\[([^\]\n]+)\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/, // 4, 5: a link
		/<((?:https?:\/\/|mailto:)[^\s>]+)>/, // 6: an address
		/\[(\d{1,2})\]/, // 7: a source
		/\*\*(?=\S)(.+?\S|\S)\*\*(?!\*)/, // 8: bold
		/__(?=\S)(.+?\S|\S)__(?![\w_])/, // 9: bold
		/\*(?=[^\s*])(.*?[^\s*])\*(?!\*)/, // 10: italic
		/(?<![\w_])_(?=[^\s_])(.*?[^\s_])_(?![\w_])/, // 11: italic
		/( {2,}|\\)\n/, // 12: a line break
	]
		.map((part) => part.source)
		.join("|"),
	"gs",
);
const WEB = /^https?:\/\//i;
const SAFE = /^(https?:\/\/|mailto:)/i;

export function inline(text, mark = () => null) {
	const nodes = [];
	let at = 0;
	for (const found of text.matchAll(TOKEN)) {
		if (found.index > at) nodes.push(text.slice(at, found.index));
		nodes.push(nodeOf(found, mark));
		at = found.index + found[0].length;
	}
	if (at < text.length) nodes.push(text.slice(at));
	return nodes;
}

function nodeOf(found, mark) {
	const [whole, escaped, , code, label, target, address, source, bold, bold2, italic, italic2, brk] = found;
	if (escaped) return escaped;
	if (code !== undefined) return h("code", {}, code.trim() || code);
	if (label) return link(target, inline(label, mark), whole);
	if (address) return link(address, address.replace(/^mailto:/, ""), whole);
	if (source) return mark(Number(source)) ?? whole;
	if (bold ?? bold2) return h("strong", {}, inline(bold ?? bold2, mark));
	if (italic ?? italic2) return h("em", {}, inline(italic ?? italic2, mark));
	return brk ? h("br") : whole;
}

// A document's address as a link; "" if it has none that a browser may open.
export function webLink(url, label = url) {
	return WEB.test(url ?? "") ? link(url, label, url) : "";
}

// Any other scheme, javascript: above all, is shown as it was written.
function link(target, label, whole) {
	if (!SAFE.test(target)) return whole;
	return h("a", { href: target, rel: "noopener noreferrer", target: "_blank" }, label);
}
