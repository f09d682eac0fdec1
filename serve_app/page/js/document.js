// A document: its text, its versions with their differences, and deleting it.

import { call } from "./api.js";
import { differences } from "./difference.js";
import { confirmed } from "./dialog.js";
import { button, fill, h } from "./dom.js";
import { labelled, select } from "./form.js";
import { count, moment, unixMoment } from "./format.js";
import { heading } from "./heading.js";
import { webLink } from "./inline.js";
import { markdown } from "./markdown.js";
import { failure, success, waiting } from "./notice.js";

export function documentView(collection, id) {
	const view = h("div", { class: "stack" }, heading(id), waiting());
	show(view, collection, id);
	return view;
}

async function show(view, collection, id) {
	const back = h("a", { class: "back", href: `#/knowledge/${collection}` }, "← All documents");
	const path = `v1/collections/${collection}/documents/${encodeURIComponent(id)}`;
	try {
		const document = await call(path);
		const remove = button("Delete", () => deleted(view, path, document, back), "danger");
		const facts = [
			document.section,
			`version ${document.version}`,
			count(document.chunks, "passage"),
			`changed ${unixMoment(document.updated_at_s)}`,
		];
		fill(
			view,
			back,
			heading(document.title || id, [id, ...facts].filter(Boolean).join(" · "), remove),
			labels(document),
			collection === "documentation" && document.version > 1 && versions(id),
			h("article", { class: "card prose" }, markdown(document.content, 2)),
			wordings(document.asked_as ?? []),
		);
	} catch (error) {
		fill(view, back, heading(id), failure(error));
	}
}

function labels({ url, metadata }) {
	const known = Object.entries(metadata).map(([key, value]) => h("span", { class: "badge" }, `${key}: ${value}`));
	return (url || known.length > 0) && h("p", { class: "actions" }, webLink(url), known);
}

function wordings(asked) {
	if (!asked.length) return null;
	return h(
		"details",
		{ class: "card" },
		h("summary", {}, `${count(asked.length, "wording")} under which people ask for it`),
		h(
			"ul",
			{ class: "plain" },
			asked.map((one) => h("li", {}, one)),
		),
	);
}

async function deleted(view, path, document, back) {
	const text = `“${document.title || document.doc_id}” will be deleted from ${document.collection}. No answer uses it any more, and this can't be undone.`;
	if (!(await confirmed("Delete this document?", text, "Delete"))) return;
	try {
		const done = await call(path, { method: "DELETE" });
		fill(
			view,
			back,
			success(`Deleted. ${count(done.invalidated, "cached passage was", "cached passages were")} discarded.`),
		);
	} catch (error) {
		view.prepend(failure(error));
	}
}

// Two versions to choose, and what changed from one to the other.
function versions(id) {
	const path = `v1/documentation/${encodeURIComponent(id)}`;
	const section = h(
		"details",
		{ class: "card", ontoggle: () => section.open && choose() },
		h("summary", {}, "Versions and what changed"),
	);
	const body = h("div");
	section.append(body);
	const choose = async () => {
		fill(body, waiting());
		try {
			const { versions: known } = await call(`${path}/versions`, { query: { limit: 100 } });
			const options = known.map((one) => [
				String(one.version),
				`Version ${one.version}, ${moment(one.stored_at)}`,
			]);
			const result = h("div");
			const compare = () => compared(path, from.value, to.value, result);
			const from = select(options, options[1][0], compare);
			const to = select(options, options[0][0], compare);
			fill(
				body,
				h("div", { class: "bar-of-fields" }, labelled("From", from, "wide"), labelled("To", to, "wide")),
				result,
			);
			await compare();
		} catch (error) {
			fill(body, failure(error));
		}
	};
	return section;
}

async function compared(path, from, to, result) {
	fill(result, waiting("Comparing…"));
	try {
		const [before, after] = await Promise.all(
			[from, to].map((version) => call(path, { query: { version } })),
		);
		fill(result, differences(before.content, after.content));
	} catch (error) {
		fill(result, failure(error));
	}
}
