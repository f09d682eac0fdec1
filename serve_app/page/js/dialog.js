// Dialogs: a modal that shows something, and a question that has to be confirmed.

import { button, h } from "./dom.js";

// Opens a modal; returns its element, whose `close` ends it.
export function modal(title, ...content) {
	const close = button("Close", () => dialog.close(), "quiet");
	const dialog = h(
		"dialog",
		{ "aria-label": title, onclose: () => dialog.remove() },
		h("div", { class: "dialog-head" }, h("h2", {}, title), close),
		h("div", { class: "dialog-body" }, content),
	);
	dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

// Resolves to whether the person confirmed.
export function confirmed(title, text, action) {
	return new Promise((resolve) => {
		const answer = (value) => {
			resolve(value);
			dialog.close();
		};
		const cancel = button("Cancel", () => answer(false), "", { autofocus: true });
		const dialog = modal(
			title,
			h("p", {}, text),
			h(
				"p",
				{ class: "actions" },
				button(action, () => answer(true), "danger"),
				cancel,
			),
		);
		dialog.addEventListener("close", () => resolve(false));
	});
}
