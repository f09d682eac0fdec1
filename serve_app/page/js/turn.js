// <wl-turn>: a question with its answer, and with a second run of it next to the first.

import { requestOf } from "./answering.js";
import { comparison } from "./comparison.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import "./run.js";

class Turn extends HTMLElement {
	question = "";
	#agent = null;
	#request = null;
	#runs = h("div", { class: "runs" });
	#saved = h("div");
	#top = this.#again("quiet");
	#foot = h(
		"p",
		{ class: "actions again", hidden: true },
		this.#again(""),
		h("span", { class: "muted small" }, "The same question once more, to see what is reused"),
	);

	get answer() {
		return this.#runs.lastChild?.text ?? "";
	}

	// Asks for the first time; `turns` are those before it.
	async ask(agent, question, turns, options) {
		this.question = question;
		this.#agent = agent;
		this.#request = requestOf(agent, question, turns, options);
		fill(
			this,
			h("div", { class: "asked" }, h("h2", { class: "question" }, question), this.#top),
			this.#saved,
			this.#runs,
			this.#foot,
		);
		await this.#run(null);
	}

	// Runs the same request again. The first run stays; an earlier second one goes.
	async askAgain() {
		const [first, second] = this.#runs.children;
		second?.remove();
		fill(this.#saved);
		this.#runs.classList.add("two");
		if (!first.querySelector(".run-label")) first.prepend(h("h3", { class: "run-label" }, "First run"));
		await this.#run("Again");
		if (this.#runs.lastChild.ledger && first.ledger) {
			fill(this.#saved, comparison(first.ledger, this.#runs.lastChild.ledger));
			this.scrollIntoView({ block: "start", behavior: gently() });
		}
	}

	stop() {
		for (const run of this.#runs.children) run.stop();
	}

	async #run(label) {
		const run = h("wl-run");
		this.#runs.append(run);
		this.#show(false);
		await run.ask(this.#request, this.#agent.collection, label);
		this.#show(this.#runs.firstChild.ledger !== null);
	}

	#show(possible) {
		this.#top.hidden = !possible;
		this.#foot.hidden = !possible;
	}

	#again(kind) {
		return h(
			"button",
			{ type: "button", class: `button ${kind}`, onclick: () => this.askAgain() },
			icon("again"),
			"Ask again",
		);
	}
}

export function gently() {
	return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}

customElements.define("wl-turn", Turn);
