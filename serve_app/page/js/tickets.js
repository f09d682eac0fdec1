// Tickets, newest first, and a form that opens one.

import { call } from "./api.js";
import { modal } from "./dialog.js";
import { button, fill, h } from "./dom.js";
import { form, labelled, select } from "./form.js";
import { moment, words } from "./format.js";
import { paged } from "./pages.js";

const STATUSES = ["open", "responded", "escalated", "reopened", "resolved", "closed"];
export const PRIORITIES = ["low", "medium", "high", "urgent"];

export function ticketsView() {
	const list = h("ul", { class: "rows" });
	const found = h("div");
	const show = () => {
		const query = { status: status.value, priority: priority.value, user_id: user.value.trim(), limit: 25 };
		const load = async (after) => {
			const { tickets, next } = await call("v1/support/tickets", { query: { ...query, after } });
			return { items: tickets, next };
		};
		const nothing =
			status.value || priority.value || query.user_id
				? "No ticket is like that."
				: "There are no tickets yet. Open one here, or let your application do so: POST /v1/support/tickets.";
		fill(list);
		fill(found, list, paged(load, row, list, nothing));
	};
	const status = select([["", "Any"], ...named(STATUSES)], "", show);
	const priority = select([["", "Any"], ...named(PRIORITIES)], "", show);
	const user = h("input", { type: "search", maxlength: 200, onchange: show });
	const bar = h(
		"div",
		{ class: "bar-of-fields" },
		labelled("Status", status),
		labelled("Priority", priority),
		labelled("Customer", user),
		button("Open a ticket", openTicket, "primary"),
	);
	show();
	return h("div", {}, bar, found);
}

export function badges(ticket) {
	return h(
		"span",
		{ class: "badges" },
		ticket.sla_breached && h("span", { class: "badge bad-badge" }, "Overdue"),
		["high", "urgent"].includes(ticket.priority)
			? h("span", { class: "badge warm-badge" }, words(ticket.priority))
			: h("span", { class: "badge" }, words(ticket.priority)),
		h(
			"span",
			{ class: `badge ${["resolved", "closed"].includes(ticket.status) ? "good-badge" : ""}` },
			words(ticket.status),
		),
	);
}

export const named = (values) => values.map((value) => [value, words(value)]);

function row(ticket) {
	const place = `${ticket.user_id} · opened ${moment(ticket.created_at)}`;
	return h(
		"li",
		{},
		h(
			"div",
			{},
			h(
				"a",
				{ class: "row-link", href: `#/records/tickets/${ticket.ticket_id}` },
				ticket.issue_description.slice(0, 160),
			),
			h("p", { class: "muted small" }, place),
		),
		badges(ticket),
	);
}

function openTicket() {
	const fields = [
		{ name: "user_id", label: "Customer", required: true, maxlength: 200 },
		{ name: "issue_description", label: "Issue", kind: "textarea", required: true, maxlength: 20000 },
		{ name: "priority", label: "Priority", kind: "select", options: named(PRIORITIES), value: "medium" },
	];
	const dialog = modal(
		"Open a ticket",
		form(fields, "Open", async (values) => {
			const ticket = await call("v1/support/tickets", { body: values });
			dialog.close();
			location.hash = `#/records/tickets/${ticket.ticket_id}`;
		}),
	);
}
