// <wl-knowledge>: a collection's documents, or one of them.

import { COLLECTIONS } from "./agents.js";
import { call } from "./api.js";
import { documentView } from "./document.js";
import { button, fill, h } from "./dom.js";
import { labelled } from "./form.js";
import { unixMoment } from "./format.js";
import { heading } from "./heading.js";
import { empty, failure, waiting } from "./notice.js";
import { paged } from "./pages.js";
import { uploads } from "./uploads.js";

const SEARCHES = {
	documentation: { path: "v1/documentation/search", size: "limit", label: "Full-text search" },
	support_kb: { path: "v1/support/search", size: "top_k", label: "Search by meaning and words" },
};

class Knowledge extends HTMLElement {
	path = [];
	#found = h("div");

	connectedCallback() {
		const [collection = Object.keys(COLLECTIONS)[0], id] = this.path;
		if (id) return fill(this, documentView(collection, id));
		const links = Object.entries(COLLECTIONS).map(([name, title]) =>
			h(
				"a",
				{ class: "tab", href: `#/knowledge/${name}`, "aria-current": name === collection && "page" },
				title,
			),
		);
		fill(
			this,
			heading("Knowledge", "What the agents answer from. A change counts from the very next question."),
			h("nav", { class: "tabs", "aria-label": "Collections" }, links),
			uploads(collection, () => this.#list(collection)),
			SEARCHES[collection] && this.#search(collection),
			this.#found,
		);
		return this.#list(collection);
	}

	#search(collection) {
		const input = h("input", { type: "search", maxlength: 8000 });
		const search = (event) => {
			event.preventDefault();
			if (input.value.trim()) this.#find(collection, input.value.trim());
			else this.#list(collection);
		};
		return h(
			"form",
			{ class: "bar-of-fields", role: "search", onsubmit: search },
			labelled(SEARCHES[collection].label, input, "wide"),
			h("button", { class: "button" }, "Search"),
		);
	}

	async #find(collection, query) {
		const { path, size } = SEARCHES[collection];
		fill(this.#found, waiting("Searching…"));
		try {
			const { results } = await call(path, { query: { query, [size]: 20 } });
			const all = button("Show all documents", () => this.#list(collection), "quiet");
			const hits = results.map((hit) => hitRow(collection, hit));
			fill(
				this.#found,
				h("p", { class: "actions" }, `${results.length} found for “${query}”`, all),
				hits.length ? h("ul", { class: "rows" }, hits) : empty("Nothing has these words."),
			);
		} catch (error) {
			fill(this.#found, failure(error));
		}
	}

	#list(collection) {
		const body = h("tbody");
		const head = ["Title", "Section", "Version", "Passages", "Changed"].map((name) =>
			h("th", { scope: "col" }, name),
		);
		const table = h("table", { class: "documents" }, h("thead", {}, h("tr", {}, head)), body);
		const load = async (after) => {
			const { documents, next } = await call(`v1/collections/${collection}/documents`, {
				query: { limit: 50, after },
			});
			return { items: documents, next };
		};
		fill(
			this.#found,
			table,
			paged(
				load,
				(document) => documentRow(collection, document),
				body,
				"No documents yet. Drop some files above.",
			),
		);
	}
}

function documentRow(collection, document) {
	return h(
		"tr",
		{},
		h(
			"td",
			{},
			link(collection, document.doc_id, document.title),
			h("code", { class: "muted" }, document.doc_id),
		),
		h("td", {}, document.section && h("span", { class: "badge" }, document.section)),
		h("td", { class: "number-cell" }, document.version),
		h("td", { class: "number-cell" }, document.chunks),
		h("td", { class: "muted" }, unixMoment(document.updated_at_s)),
	);
}

function hitRow(collection, hit) {
	const place = [hit.doc_id, hit.heading, hit.section].filter(Boolean).join(" · ");
	return h(
		"li",
		{},
		h(
			"div",
			{},
			link(collection, hit.doc_id, hit.title),
			h("p", { class: "muted small" }, place),
			h("p", { class: "clamped" }, hit.snippet ?? hit.text),
		),
	);
}

function link(collection, id, title) {
	return h(
		"a",
		{ class: "row-link", href: `#/knowledge/${collection}/${encodeURIComponent(id)}` },
		title || id,
	);
}

customElements.define("wl-knowledge", Knowledge);
