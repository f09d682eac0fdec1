// <wl-ask>: a conversation with an agent.

import { agentOf } from "./agents.js";
import { call } from "./api.js";
import "./composer.js";
import { button, fill, h } from "./dom.js";
import { heading } from "./heading.js";
import { failure, waiting } from "./notice.js";
import { gently } from "./turn.js";

class Ask extends HTMLElement {
	#agents = [];
	#agent = null;
	#agentBar = h("div", { class: "agents", role: "radiogroup", "aria-label": "Agent" });
	#welcome = h("div", { class: "welcome" });
	#turns = h("div", { class: "turns" });
	#renew = button("New conversation", () => this.#begin(), "quiet", { hidden: true });
	#composer = h("wl-composer", { onasked: (event) => this.#ask(event.detail) });

	connectedCallback() {
		if (!this.firstChild) {
			fill(
				this,
				heading(
					"Ask",
					"Answers come from your documents. Each shows what it reused and where its time went.",
					this.#renew,
				),
				this.#agentBar,
				this.#welcome,
				this.#turns,
				this.#composer,
			);
		}
		if (!this.#agents.length) this.#load();
	}

	async #load() {
		fill(this.#welcome, waiting("Looking for agents…"));
		try {
			const { data } = await call("v1/models");
			this.#agents = data.map((model) => agentOf(model.id));
			this.#choose(this.#agents[0]);
		} catch (error) {
			fill(
				this.#welcome,
				failure(error),
				button("Try again", () => this.#load()),
			);
		}
	}

	#choose(agent) {
		this.#agent = agent;
		fill(
			this.#agentBar,
			this.#agents.map((one) => this.#radio(one)),
		);
		this.#begin();
	}

	#radio(agent) {
		const input = h("input", {
			type: "radio",
			name: "agent",
			value: agent.name,
			checked: agent === this.#agent,
			onchange: () => this.#switch(agent),
		});
		return h("label", { class: "agent" }, input, h("b", {}, agent.title), h("span", {}, agent.about));
	}

	#switch(agent) {
		this.#agent = agent;
		this.#begin();
	}

	// An empty conversation with questions to click.
	#begin() {
		for (const turn of this.#turns.children) turn.stop();
		fill(this.#turns);
		this.#renew.hidden = true;
		this.#welcome.hidden = false;
		this.#composer.busy = false;
		this.#composer.placeholder = `Ask ${this.#agent.title}`;
		const questions = this.#agent.examples.map((question) =>
			h("li", {}, h("button", { type: "button", onclick: () => this.#ask(question) }, question)),
		);
		fill(
			this.#welcome,
			questions.length > 0 && h("h2", {}, "Try one of these"),
			h("ul", { class: "examples" }, questions),
		);
	}

	async #ask(question) {
		if (!this.#agent) return;
		const turns = [...this.#turns.children].filter((turn) => turn.answer);
		const turn = h("wl-turn");
		this.#turns.append(turn);
		this.#welcome.hidden = true;
		this.#renew.hidden = false;
		this.#composer.busy = true;
		this.#composer.placeholder = "Ask a follow-up question";
		const asking = turn.ask(this.#agent, question, turns, this.#composer.options);
		turn.scrollIntoView({ block: "start", behavior: gently() });
		await asking;
		if (turn.isConnected) this.#composer.busy = false;
	}
}

customElements.define("wl-ask", Ask);
