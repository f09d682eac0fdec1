// A ticket with its history, and what its status allows.

import { call } from "./api.js";
import { modal } from "./dialog.js";
import { button, fill, h } from "./dom.js";
import { form } from "./form.js";
import { duration, moment, words } from "./format.js";
import { failure, waiting } from "./notice.js";
import { badges, named, PRIORITIES } from "./tickets.js";

const RESOLUTIONS = ["answered", "information_requested", "workaround", "resolved"];
const ENDED = ["resolved", "closed"];
const text = (name, label, others = {}) => ({ name, label, kind: "textarea", required: true, ...others });
const note = (name, label) => text(name, label, { required: false, maxlength: 4000 });

// Each action: where it is sent, its form, and the statuses that allow it.
const ACTIONS = [
	{
		label: "Respond",
		path: "responses",
		allowed: (status) => !ENDED.includes(status),
		fields: [
			text("response", "Response to the customer", { maxlength: 20000 }),
			{
				name: "resolution_type",
				label: "What it does",
				kind: "select",
				options: named(RESOLUTIONS),
				value: "answered",
			},
		],
	},
	{
		label: "Escalate",
		path: "escalation",
		allowed: (status) => !ENDED.includes(status),
		fields: [
			text("escalation_reason", "Reason", { maxlength: 4000 }),
			{ name: "escalation_team", label: "Team", required: true, maxlength: 100 },
			{
				name: "new_priority",
				label: "New priority",
				kind: "select",
				options: [["", "One level higher"], ...named(PRIORITIES)],
			},
		],
	},
	{
		label: "Resolve",
		path: "resolution",
		allowed: (status) => !ENDED.includes(status),
		fields: [text("solution", "What solved it", { maxlength: 20000 })],
	},
	{
		label: "Close",
		path: "closure",
		allowed: (status) => status === "resolved",
		fields: [note("note", "Note (optional)")],
	},
	{
		label: "Reopen",
		path: "reopening",
		allowed: (status) => ENDED.includes(status),
		fields: [text("reason", "Why it is not solved", { maxlength: 4000 })],
	},
	{
		label: "Rate",
		path: "rating",
		allowed: (status) => ENDED.includes(status),
		fields: [
			{
				name: "score",
				label: "Rating by the customer, 1 (bad) to 5",
				kind: "number",
				min: 1,
				max: 5,
				required: true,
			},
			note("comment", "Comment (optional)"),
		],
		also: (ticket) => ({ user_id: ticket.user_id }),
	},
];

export function ticketView(id) {
	const view = h("div", { class: "stack" }, h("h1", { tabindex: -1 }, "Ticket"), waiting());
	show(view, id);
	return view;
}

async function show(view, id) {
	const back = h("a", { class: "back", href: "#/records/tickets" }, "← All tickets");
	try {
		const ticket = await call(`v1/support/tickets/${encodeURIComponent(id)}`);
		const actions = ACTIONS.filter((action) => action.allowed(ticket.status)).map((action) =>
			button(action.label, () => open(action, ticket, view)),
		);
		fill(
			view,
			back,
			h(
				"h1",
				{ tabindex: -1 },
				ticket.issue_description.length > 120
					? `${ticket.issue_description.slice(0, 120)}…`
					: ticket.issue_description,
			),
			h("div", { class: "actions" }, badges(ticket)),
			h("div", { class: "actions" }, actions),
			facts(ticket),
			h(
				"section",
				{ class: "card" },
				h("h2", {}, "History"),
				h("ol", { class: "timeline-events" }, ticket.history.map(event)),
			),
		);
	} catch (error) {
		fill(view, back, h("h1", { tabindex: -1 }, "Ticket"), failure(error));
	}
}

function facts(ticket) {
	const rows = {
		Ticket: h("code", {}, ticket.ticket_id),
		Customer: ticket.user_id,
		Due: moment(ticket.sla_deadline),
		Team: ticket.escalation_team,
		Solution: ticket.solution,
		Rating: ticket.rating && `${ticket.rating} of 5`,
	};
	const given = Object.entries(rows).filter(([, value]) => value);
	return h(
		"dl",
		{ class: "card figures" },
		given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
	);
}

function event({ kind, at, text: written, details }) {
	const more = [
		details.team && `to ${details.team}`,
		details.new_priority && `priority ${details.new_priority}`,
		details.resolution_type && words(String(details.resolution_type)),
		details.response_time_s !== undefined && `after ${duration(details.response_time_s)}`,
		details.score && `${details.score} of 5`,
	];
	return h(
		"li",
		{},
		h(
			"p",
			{},
			h("b", {}, words(kind)),
			h("span", { class: "muted small" }, ` ${[moment(at), ...more.filter(Boolean)].join(" · ")}`),
		),
		written && h("p", { class: "written" }, written),
	);
}

function open(action, ticket, view) {
	const send = async (values) => {
		const body = { ...values, ...action.also?.(ticket) };
		await call(`v1/support/tickets/${encodeURIComponent(ticket.ticket_id)}/${action.path}`, { body });
		dialog.close();
		await show(view, ticket.ticket_id);
	};
	const dialog = modal(
		`${action.label}: ${ticket.issue_description.slice(0, 60)}`,
		form(action.fields, action.label, send),
	);
}
