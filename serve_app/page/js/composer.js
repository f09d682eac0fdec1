// <wl-composer>: where a question is written. It sends an `asked` event with the question and options.

import { fill, h } from "./dom.js";

class Composer extends HTMLElement {
	#text = h("textarea", {
		id: "question",
		rows: 1,
		maxlength: 8000,
		placeholder: "Ask a question",
		"aria-describedby": "question-hint",
		oninput: () => this.#grow(),
		onkeydown: (event) => this.#key(event),
	});
	#ask = h("button", { type: "button", class: "button primary", onclick: () => this.#send() }, "Ask");
	#passages = number("passages", "Passages to answer from", 5, 1, 50);
	#maxTokens = number("max-tokens", "Most tokens of an answer", "", 1, 4096);
	#temperature = number("temperature", "Temperature (0: always the likeliest word)", 0, 0, 2, 0.1);

	connectedCallback() {
		if (this.firstChild) return;
		fill(
			this,
			h("label", { class: "unseen", for: "question" }, "Your question"),
			h("div", { class: "composer-row" }, this.#text, this.#ask),
			h(
				"div",
				{ class: "composer-foot" },
				h("span", { id: "question-hint", class: "muted small" }, `${onMac() ? "⌘" : "Ctrl"} Enter to ask`),
				h(
					"details",
					{},
					h("summary", {}, "Options"),
					h("div", { class: "options" }, this.#passages, this.#maxTokens, this.#temperature),
				),
			),
		);
	}

	set busy(busy) {
		this.#ask.disabled = busy;
		this.#ask.textContent = busy ? "Answering…" : "Ask";
	}

	set placeholder(text) {
		this.#text.placeholder = text;
	}

	focus() {
		this.#text.focus({ preventScroll: true });
	}

	#send() {
		const question = this.#text.value.trim();
		if (this.#ask.disabled) return;
		if (!question) return this.focus();
		this.#text.value = "";
		this.#grow();
		this.dispatchEvent(new CustomEvent("asked", { detail: question }));
	}

	get options() {
		return {
			passages: valueOf(this.#passages) ?? 5,
			maxTokens: valueOf(this.#maxTokens),
			temperature: valueOf(this.#temperature) ?? 0,
		};
	}

	#key(event) {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
			event.preventDefault();
			this.#send();
		}
	}

	#grow() {
		this.#text.style.height = "auto";
		this.#text.style.height = `${Math.min(this.#text.scrollHeight + 2, 220)}px`;
	}
}

function number(id, label, value, min, max, step = 1) {
	const input = h("input", { id, type: "number", value, min, max, step, placeholder: "as the agent has it" });
	return h("div", { class: "field" }, h("label", { for: id }, label), input);
}

function valueOf(field) {
	const value = field.querySelector("input").value;
	return value === "" ? null : Number(value);
}

function onMac() {
	return /mac|iphone|ipad/i.test(navigator.platform);
}

customElements.define("wl-composer", Composer);
