// <wl-nav>: the way to each view, and whether the server is ready.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const VIEWS = {
	ask: "Ask",
	knowledge: "Knowledge",
	cache: "Cache",
	records: "Records",
	settings: "Settings",
};
const READY_EVERY_MS = 30_000;
const NOT_READY_EVERY_MS = 3_000;

class Nav extends HTMLElement {
	#links = {};
	#state = h("p", { class: "state", role: "status" });

	connectedCallback() {
		this.role = "banner";
		for (const [name, label] of Object.entries(VIEWS)) {
			this.#links[name] = h("a", { href: `#/${name}` }, icon(name), h("span", {}, label));
		}
		const logo = h("img", { src: "page/icon.svg", alt: "", width: 28, height: 28 });
		fill(
			this,
			h("a", { class: "brand", href: "#/ask" }, logo, "Warmline"),
			h("nav", { "aria-label": "Views" }, Object.values(this.#links)),
			h("div", { class: "nav-foot" }, this.#state, h("a", { href: "docs" }, "API description")),
		);
		this.#watch();
	}

	set current(name) {
		for (const [view, link] of Object.entries(this.#links)) {
			if (view === name) link.setAttribute("aria-current", "page");
			else link.removeAttribute("aria-current");
		}
	}

	async #watch() {
		const [ready, text] = await readiness();
		this.#state.classList.toggle("ready", ready);
		if (this.#state.textContent !== text) this.#state.textContent = text;
		setTimeout(() => this.#watch(), ready ? READY_EVERY_MS : NOT_READY_EVERY_MS);
	}
}

async function readiness() {
	try {
		const { ready, parts } = await (await fetch("readyz")).json();
		if (ready) return [true, "Ready"];
		const late = Object.entries(parts).filter(([, state]) => state !== "ready");
		return [false, late.map(([part, state]) => `${part}: ${state}`).join("; ")];
	} catch {
		return [false, "The server can't be reached"];
	}
}

customElements.define("wl-nav", Nav);
