// <wl-settings>: who asks, and how the page looks.

import { access } from "./access.js";
import { call } from "./api.js";
import { fill, h } from "./dom.js";
import { heading } from "./heading.js";
import { failure, success, waiting } from "./notice.js";

const THEME = "warmline-theme";
const THEMES = { system: "As the system", light: "Light", dark: "Dark" };

class Settings extends HTMLElement {
	reason = "";
	#key = h("input", {
		id: "api-key",
		type: "password",
		autocomplete: "off",
		spellcheck: "false",
		"aria-describedby": "api-key-hint",
	});
	#tenant = h("input", {
		id: "tenant",
		type: "text",
		autocomplete: "off",
		spellcheck: "false",
		placeholder: "default",
		"aria-describedby": "tenant-hint",
	});
	#result = h("div");

	connectedCallback() {
		this.#key.value = access.key;
		this.#tenant.value = access.tenant;
		const save = h("button", { class: "button primary" }, "Save");
		const hint = h(
			"p",
			{ id: "api-key-hint", class: "muted small" },
			"Sent as “Authorization: Bearer”. It stays in this tab and is gone when you close it.",
		);
		const which = h(
			"p",
			{ id: "tenant-hint", class: "muted small" },
			"Used only without a key, on servers that have no keys. A key has its own tenant.",
		);
		fill(
			this,
			heading("Settings"),
			this.reason &&
				h(
					"p",
					{ class: "notice failure", role: "alert" },
					`This server wants an API key: ${this.reason}. Enter a key below, then go on.`,
				),
			h(
				"form",
				{ class: "card form", onsubmit: (event) => this.#save(event) },
				h("h2", {}, "Access"),
				h("div", { class: "field" }, h("label", { for: "api-key" }, "API key"), this.#key, hint),
				h(
					"div",
					{ class: "field" },
					h("label", { for: "tenant" }, "Tenant (X-Business-Id)"),
					this.#tenant,
					which,
				),
				this.#result,
				h("p", { class: "actions" }, save),
			),
			h("section", { class: "card form" }, h("h2", {}, "Appearance"), themes()),
		);
	}

	async #save(event) {
		event.preventDefault();
		access.keep(this.#key.value.trim(), this.#tenant.value.trim());
		fill(this.#result, waiting("Trying it…"));
		try {
			await call("v1/models");
			fill(this.#result, success("Saved. The server accepts it."));
			dispatchEvent(new CustomEvent("warmline-access"));
		} catch (error) {
			fill(this.#result, failure(error));
		}
	}
}

function themes() {
	const present = document.documentElement.dataset.theme;
	const choices = Object.entries(THEMES).map(([value, label]) =>
		h(
			"label",
			{ class: "choice" },
			h("input", {
				type: "radio",
				name: "theme",
				value,
				checked: value === present,
				onchange: () => use(value),
			}),
			label,
		),
	);
	return h("fieldset", { class: "choices" }, h("legend", {}, "Theme"), choices);
}

function use(theme) {
	localStorage.setItem(THEME, theme);
	document.documentElement.dataset.theme = theme;
}

customElements.define("wl-settings", Settings);
