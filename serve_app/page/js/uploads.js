// Files that are dropped or chosen, each stored as a document under the id that its name makes.

import { fill, h } from "./dom.js";
import { labelled, select } from "./form.js";
import { count } from "./format.js";
import { icon } from "./icons.js";
import { store } from "./upload.js";

const TYPES = {
	md: "text/markdown",
	markdown: "text/markdown",
	txt: "text/plain",
	html: "text/html",
	htm: "text/html",
	xhtml: "text/html",
	pdf: "application/pdf",
	docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	csv: "text/csv",
	tsv: "text/csv",
	epub: "application/epub+zip",
	eml: "message/rfc822",
};
const AT_ONCE = 2;
const METADATA = '{"product": "harbor"}';
const SECTIONS = [["", "None"], "api", "guide", "tutorial", "reference"];

// `changed` is called once all files of a drop are through.
export function uploads(collection, changed) {
	const list = h("ul", { class: "uploads", "aria-live": "polite" });
	const section = collection === "documentation" ? select(SECTIONS) : null;
	const metadata = h("input", { type: "text", placeholder: METADATA });
	const labels = () => ({ section: section?.value, metadata: metadata.value.trim() });
	const take = (files) => takeAll([...files], { collection, labels: labels(), list, changed });
	const input = h("input", {
		type: "file",
		multiple: true,
		accept: Object.keys(TYPES)
			.map((extension) => `.${extension}`)
			.join(),
		class: "unseen",
		onchange: () => take(input.files).then(() => (input.value = "")),
	});
	const zone = h(
		"label",
		{ class: "drop" },
		input,
		icon("upload"),
		h(
			"span",
			{},
			h("b", {}, "Drop files here, or choose them"),
			h(
				"span",
				{ class: "muted small" },
				"Markdown, text, HTML, PDF, Office files, CSV, EPUB or e-mail. A file with the name of a document becomes its next version.",
			),
		),
	);
	const fields = h(
		"div",
		{ class: "bar-of-fields" },
		section && labelled("Section of new files", section),
		labelled("Metadata of new files, as JSON", metadata, "wide"),
	);
	const over = (on) => (event) => {
		event.preventDefault();
		zone.classList.toggle("over", on);
	};
	zone.addEventListener("dragover", over(true));
	zone.addEventListener("dragleave", over(false));
	zone.addEventListener("drop", (event) => {
		over(false)(event);
		take(event.dataTransfer.files);
	});
	return h("div", { class: "upload-area" }, zone, fields, list);
}

async function takeAll(files, { collection, labels, list, changed }) {
	const taken = new Set();
	const rows = files.map((file) => rowOf(file, taken));
	fill(
		list,
		rows.map((row) => row.element),
	);
	const waiting = rows.filter((row) => row.id);
	const work = async () => {
		for (let row = waiting.shift(); row; row = waiting.shift()) await send(row, collection, labels);
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	if (rows.some((row) => row.stored)) changed();
}

function rowOf(file, taken) {
	const state = h("span", { class: "upload-state" }, "Waiting");
	const bar = h("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
	const row = { file, state, bar, element: h("li", {}, h("b", {}, file.name), bar, state) };
	const extension = /\.([^.]+)$/.exec(file.name)?.[1].toLowerCase();
	const id = idOf(file.name);
	row.type = TYPES[extension];
	if (!row.type) refuse(row, `“.${extension ?? ""}” can't be stored; what can: ${Object.keys(TYPES).join(", ")}.`);
	else if (!id) refuse(row, "The name has no letter or digit to make an id of.");
	else if (taken.has(id)) refuse(row, `Another of these files already has the id ${id}.`);
	else row.id = id;
	taken.add(id);
	return row;
}

// "Über uns (2).md" as "Uber-uns-2".
export function idOf(name) {
	const plain = name
		.replace(/\.[^.]*$/, "")
		.normalize("NFKD")
		.replaceAll(/\p{M}/gu, "");
	return plain
		.replaceAll(/[^A-Za-z0-9._:-]+/g, "-")
		.replaceAll(/^[^A-Za-z0-9]+|-+$/g, "")
		.slice(0, 200);
}

async function send(row, collection, labels) {
	const told = (share) => {
		row.bar.value = share;
		row.state.textContent = share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Reading and indexing…";
	};
	try {
		const done = await store(collection, row.id, row.file, row.type, labels, told);
		row.stored = true;
		row.element.className = "done";
		row.state.textContent = outcome(done);
	} catch (error) {
		refuse(row, error.message);
	}
	row.bar.remove();
}

function outcome(done) {
	const parts = [`Stored as ${done.doc_id}, version ${done.version}: ${count(done.chunks, "passage")}`];
	if (done.kept) parts.push(`${done.kept} unchanged and still cached`);
	if (done.invalidated) parts.push(`${count(done.invalidated, "old passage")} discarded from the cache`);
	return [`${parts.join(", ")}.`, ...done.warnings.map((warning) => `Note: ${warning}.`)].join(" ");
}

function refuse(row, message) {
	row.element.className = "refused";
	row.state.textContent = `Refused: ${message}`;
	row.bar.remove();
}
