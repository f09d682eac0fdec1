// Business ideas: one is generated with its scores, earlier ones are listed.

import { call } from "./api.js";
import { fill, h } from "./dom.js";
import { form } from "./form.js";
import { count, whole, words } from "./format.js";
import { bar } from "./ledger.js";
import { waiting } from "./notice.js";
import { paged } from "./pages.js";
import { typeField } from "./templates.js";

const SCORES = {
	overall_score: "Overall",
	revenue_score: "Revenue",
	market_trend_score: "Market trend",
	differentiation_score: "Differentiation",
};

export function ideasView() {
	const made = h("div");
	const list = h("div", { class: "stack" });
	const fields = [
		{
			name: "business_type",
			label: "Type of business",
			list: "business-types",
			placeholder: "The one with the best record",
		},
		{
			name: "min_revenue_score",
			label: "Revenue score, at least",
			kind: "number",
			min: 0,
			max: 100,
			value: 70,
		},
		{ name: "max_attempts", label: "Attempts at most", kind: "number", min: 1, max: 10, value: 3 },
	];
	const generate = async (body) => {
		fill(made, waiting("The model is writing. Each attempt can take a minute…"));
		try {
			const idea = await call("v1/business/ideas", { body });
			fill(made, h("h2", { class: "part" }, "New idea"), card(idea));
		} catch (error) {
			fill(made);
			throw error;
		}
	};
	const load = async (after) => {
		const { ideas, next } = await call("v1/business/ideas", { query: { limit: 20, after } });
		return { items: ideas, next };
	};
	const names = typeField()[1];
	return h(
		"div",
		{},
		h(
			"section",
			{ class: "card" },
			h("h2", { class: "part" }, "Generate an idea"),
			form(fields, "Generate", generate, { class: "period" }),
			names,
		),
		made,
		h("h2", { class: "part" }, "Earlier ideas"),
		list,
		paged(load, card, list, "No idea yet."),
	);
}

function card(idea) {
	const scores = Object.entries(SCORES).map(([name, label]) =>
		score(label, idea[name], idea.score_explanation[name]),
	);
	const rows = {
		Audience: idea.target_audience,
		Earns: idea.monetization_model,
		"First version": idea.mvp_features.join(", "),
		Technology: idea.tech_stack.join(", "),
	};
	return h(
		"article",
		{ class: "card idea" },
		h("h3", {}, idea.name, " ", h("span", { class: "badge" }, words(idea.business_type))),
		h("p", {}, idea.description),
		h("div", { class: "scores" }, scores),
		h(
			"dl",
			{ class: "figures" },
			Object.entries(rows).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
		),
		idea.attempts &&
			h(
				"p",
				{ class: "muted small" },
				`${count(idea.attempts, "attempt")}; ${idea.met_threshold ? "reached" : "did not reach"} the least revenue score; learned from ${count(idea.learned_from.length, "template")}.`,
			),
	);
}

function score(label, value, explanation) {
	return h(
		"div",
		{ title: explanation },
		h("span", {}, label, h("b", {}, whole(value))),
		bar(`${label}: ${whole(value)} of 100`, [
			["warm", value, label],
			["rest", 100 - value, ""],
		]),
		h("p", { class: "muted small" }, explanation),
	);
}
