// The sources of an answer, numbered; each opens its document.

import { call } from "./api.js";
import { button, fill, h } from "./dom.js";
import { modal } from "./dialog.js";
import { inline, webLink } from "./inline.js";
import { markdown } from "./markdown.js";
import { failure, waiting } from "./notice.js";

export function citationList(citations, collection) {
	if (!citations.length) return null;
	const items = citations.map((citation, index) =>
		h(
			"li",
			{},
			h(
				"button",
				{ type: "button", onclick: () => openCitation(citation, collection) },
				h("span", { class: "number" }, String(index + 1)),
				[citation.title, citation.heading].filter(Boolean).join(" › "),
			),
			webLink(citation.url, "Open"),
		),
	);
	return h("div", { class: "citations" }, h("span", { class: "muted small" }, "Sources"), h("ol", {}, items));
}

// The button for "[2]" in an answer, or null if there is no second source.
export function citationMark(number, citations, collection) {
	const citation = citations[number - 1];
	if (!citation) return null;
	return button(String(number), () => openCitation(citation, collection), "mark", {
		"aria-label": `Source ${number}: ${citation.title}`,
	});
}

async function openCitation(citation, collection) {
	const body = h("div", { class: "prose" }, waiting());
	const passage = h("blockquote", { class: "passage" }, inline(citation.snippet));
	const facts = [citation.heading, citation.section, `version ${citation.version}`, `score ${citation.score.toFixed(3)}`];
	modal(
		citation.title,
		h(
			"p",
			{ class: "muted small" },
			h("code", {}, citation.doc_id),
			` · ${facts.filter(Boolean).join(" · ")}`,
		),
		webLink(citation.url),
		passage,
		collection && body,
	);
	if (!collection) return;
	try {
		const document = await call(
			`v1/collections/${collection}/documents/${encodeURIComponent(citation.doc_id)}`,
		);
		if (document.version === citation.version) fill(passage, markdown(cited(document, citation), 4));
		fill(body, h("h3", {}, "The whole document"), markdown(document.content, 4));
	} catch (error) {
		fill(body, failure(error));
	}
}

// The whole passage, of which a citation has the beginning. Positions count code points, as the API does.
function cited(document, { start, end, snippet }) {
	return start === null ? snippet : [...document.content].slice(start, end).join("");
}
