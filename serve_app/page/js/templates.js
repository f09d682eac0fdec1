// Business templates of a type, the most successful first.

import { call } from "./api.js";
import { fill, h } from "./dom.js";
import { labelled } from "./form.js";
import { decimal, percent, words } from "./format.js";
import { empty, failure, waiting } from "./notice.js";

const TYPES = [
	"saas",
	"mobile_app",
	"ecommerce",
	"marketplace",
	"subscription_box",
	"content",
	"agency",
	"consulting",
	"education",
	"local_service",
];
const MOST = 50;

// Types that the samples have, as suggestions: any other can be typed.
export function typeField(props = {}) {
	const names = h(
		"datalist",
		{ id: "business-types" },
		TYPES.map((type) => h("option", { value: type })),
	);
	return [
		h("input", { type: "text", list: "business-types", placeholder: "Any", maxlength: 200, ...props }),
		names,
	];
}

export function templatesView() {
	const found = h("div");
	const [type, names] = typeField({ onchange: () => show() });
	const least = h("input", { type: "number", min: 0, max: 1, step: 0.1, value: 0, onchange: () => show() });
	const show = async () => {
		fill(found, waiting());
		try {
			const query = { business_type: type.value.trim(), min_success_score: least.value || 0, top_k: MOST };
			const { templates } = await call("v1/business/templates", { query });
			fill(
				found,
				templates.length
					? h("div", { class: "agent-cards" }, templates.map(card))
					: empty("No template of this type with such a score."),
			);
		} catch (error) {
			fill(found, failure(error));
		}
	};
	show();
	return h(
		"div",
		{},
		h(
			"div",
			{ class: "bar-of-fields" },
			labelled("Type of business", type),
			labelled("Success score, at least", least),
			names,
		),
		found,
	);
}

function card(template) {
	const { name, summary, target_audience, monetization_model } = template.template_data;
	const metrics = Object.entries(template.success_metrics).filter(([metric]) => metric !== "success_score");
	const rows = {
		Audience: target_audience,
		Earns: monetization_model,
		...Object.fromEntries(metrics.map(([metric, value]) => [words(metric), decimal(value)])),
	};
	const given = Object.entries(rows).filter(([, value]) => typeof value === "string");
	return h(
		"section",
		{ class: "card" },
		h("h2", {}, String(name ?? template.template_id)),
		h(
			"p",
			{ class: "badges" },
			h("span", { class: "badge" }, words(template.business_type)),
			h(
				"span",
				{ class: "badge warm-badge" },
				`Success ${percent(100 * template.success_metrics.success_score)}`,
			),
		),
		summary && h("details", {}, h("summary", {}, "Summary"), h("p", {}, String(summary))),
		h(
			"dl",
			{ class: "figures" },
			given.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
		),
	);
}
