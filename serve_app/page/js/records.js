// <wl-records>: tickets, their report, business templates and ideas.

import { fill, h } from "./dom.js";
import { heading } from "./heading.js";
import { ideasView } from "./ideas.js";
import { reportView } from "./report.js";
import { templatesView } from "./templates.js";
import { ticketView } from "./ticket.js";
import { ticketsView } from "./tickets.js";

export const TABS = {
	tickets: ["Tickets", ticketsView],
	report: ["Report", reportView],
	templates: ["Templates", templatesView],
	ideas: ["Ideas", ideasView],
};

class Records extends HTMLElement {
	path = [];

	connectedCallback() {
		const [tab, id] = this.path;
		const current = tab in TABS ? tab : "tickets";
		if (current === "tickets" && id) return fill(this, ticketView(id));
		const links = Object.entries(TABS).map(([name, [label]]) =>
			h("a", { class: "tab", href: `#/records/${name}`, "aria-current": name === current && "page" }, label),
		);
		return fill(
			this,
			heading("Records", "Support tickets, business templates and the ideas made from them."),
			h("nav", { class: "tabs", "aria-label": "Records" }, links),
			TABS[current][1](),
		);
	}
}

customElements.define("wl-records", Records);
