// The report about the tickets of a period.

import { call } from "./api.js";
import { fill, h } from "./dom.js";
import { form } from "./form.js";
import { count, decimal, duration, percent, words } from "./format.js";
import { empty } from "./notice.js";

const DAYS = 30;
const DAY_MS = 86_400_000;

export function reportView() {
	const result = h("div");
	const day = (ms) => new Date(ms).toISOString().slice(0, 10);
	const fields = [
		{ name: "start", label: "From", kind: "date", required: true, value: day(Date.now() - DAYS * DAY_MS) },
		{ name: "end", label: "To, including that day", kind: "date", required: true, value: day(Date.now()) },
	];
	const show = async (query) => {
		fill(result, reportOf(await call("v1/support/report", { query })));
	};
	const asked = form(fields, "Show the report", show, { class: "period" });
	setTimeout(() => asked.requestSubmit());
	return h("div", { class: "stack" }, asked, result);
}

function reportOf(report) {
	if (report.empty) return empty("No ticket was opened in this period.");
	const rate = (number, share) => `${number}${share === null ? "" : ` (${percent(share)})`}`;
	const figures = {
		"Tickets opened": report.tickets,
		"First response, median / 95th percentile": spread(report.first_response),
		"Resolution, median / 95th percentile": spread(report.resolution),
		Overdue: rate(report.sla_breaches, report.sla_breach_rate),
		Escalated: rate(report.escalated, report.escalation_rate),
		Reopened: report.reopened,
		Satisfaction:
			report.satisfaction.mean === null
				? "Not rated"
				: `${decimal(report.satisfaction.mean)} of 5 (${count(report.satisfaction.ratings, "rating")})`,
	};
	const topics = Object.fromEntries(report.top_topics.map((topic) => Object.values(topic)));
	return h(
		"div",
		{ class: "agent-cards" },
		card("Figures", figures),
		card("By status", renamed(report.by_status)),
		card("By priority", renamed(report.by_priority)),
		card("Words in many tickets", topics),
	);
}

function card(title, rows) {
	const shown = Object.entries(rows).map(([name, value]) =>
		h("div", {}, h("dt", {}, name), h("dd", {}, String(value))),
	);
	return h(
		"section",
		{ class: "card" },
		h("h2", {}, title),
		shown.length ? h("dl", { class: "figures" }, shown) : h("p", { class: "muted" }, "None"),
	);
}

const renamed = (counts) =>
	Object.fromEntries(Object.entries(counts).map(([name, number]) => [words(name), number]));
const spread = ({ median_s, p95_s }) => `${duration(median_s)} / ${duration(p95_s)}`;
