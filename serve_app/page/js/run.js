// <wl-run>: one answer as it comes, with its sources and its ledger.

import { answerTo } from "./answering.js";
import { citationList, citationMark } from "./citations.js";
import { button, fill, h } from "./dom.js";
import "./ledger.js";
import { markdown } from "./markdown.js";
import { failure } from "./notice.js";

class Run extends HTMLElement {
	text = "";
	ledger = null;
	#status = h("p", { class: "muted waiting", role: "status" }, "Searching and reading…");
	#answer = h("div", { class: "prose answer" });
	#after = h("div", { class: "after" });
	#stopping = new AbortController();
	#drawing = false;

	// Asks, and resolves once the answer is complete, was stopped or failed.
	async ask(request, collection, label) {
		const stop = button("Stop", () => this.stop(), "quiet");
		fill(
			this,
			label && h("h3", { class: "run-label" }, label),
			h("div", { class: "run-status" }, this.#status, stop),
			this.#answer,
			this.#after,
		);
		this.#answer.setAttribute("aria-busy", "true");
		try {
			for await (const piece of answerTo(request, this.#stopping.signal)) this.#take(piece);
			this.#end(this.ledger ? "Answer complete" : "The stream ended early.");
		} catch (error) {
			if (error.name === "AbortError") this.#end("You stopped this answer, so it has no ledger.");
			else this.#fail(error);
		}
		stop.remove();
		this.#draw(collection);
		this.#answer.removeAttribute("aria-busy");
		if (this.ledger) this.#complete(collection);
	}

	stop() {
		this.#stopping.abort();
	}

	#take({ text, ledger }) {
		if (ledger) this.ledger = ledger;
		if (!text) return;
		if (!this.text) this.#status.textContent = "Answering…";
		this.text += text;
		if (this.#drawing) return;
		this.#drawing = true;
		requestAnimationFrame(() => this.#draw());
	}

	#draw(collection) {
		this.#drawing = false;
		const citations = this.ledger?.citations ?? [];
		fill(
			this.#answer,
			markdown(this.text, 3, (number) => citationMark(number, citations, collection)),
		);
	}

	#complete(collection) {
		const ledger = h("wl-ledger", { ledger: this.ledger });
		fill(this.#after, citationList(this.ledger.citations, collection), ledger);
	}

	#end(text) {
		this.#status.textContent = text;
		this.#status.classList.remove("waiting");
		this.#status.classList.toggle("unseen", this.ledger !== null);
	}

	#fail(error) {
		this.#status.remove();
		fill(this.#after, failure(error));
	}
}

customElements.define("wl-run", Run);
