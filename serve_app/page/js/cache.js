// <wl-cache>: what each agent's cache holds and found, warming it, clearing it.

import { agentOf } from "./agents.js";
import { call } from "./api.js";
import { confirmed } from "./dialog.js";
import { button, fill, h } from "./dom.js";
import { count, decimal, milliseconds, percent, whole } from "./format.js";
import { heading } from "./heading.js";
import { history } from "./history.js";
import { bar } from "./ledger.js";
import { failure, success, waiting } from "./notice.js";

class Cache extends HTMLElement {
	#cards = h("div", { class: "agent-cards" });
	#result = h("div", { class: "result" });

	connectedCallback() {
		fill(
			this,
			heading(
				"Cache",
				"Token ids that are kept for each agent, and how often a question found them.",
				button("Refresh", () => this.#load()),
			),
			h(
				"p",
				{ class: "actions" },
				button("Warm all", () => this.#warm(null)),
				button("Clear all", () => this.#clear(null), "danger"),
			),
			this.#result,
			this.#cards,
		);
		this.#load();
	}

	async #load() {
		if (!this.#cards.children.length) fill(this.#cards, waiting());
		try {
			const [stats, past] = await Promise.all([call("v1/cache/stats"), call("v1/cache/history")]);
			fill(
				this.#cards,
				Object.entries(stats).map(([name, one]) => this.#card(agentOf(name), one, past[name])),
			);
		} catch (error) {
			fill(this.#cards, failure(error));
		}
	}

	#card(agent, stats, past) {
		const asked = stats.cache_hits + stats.cache_misses;
		return h(
			"section",
			{ class: "card agent-card", "aria-label": agent.title },
			h("h2", {}, agent.title),
			h(
				"p",
				{ class: "rate" },
				h("strong", {}, asked ? percent(stats.hit_rate) : "–"),
				h("span", { class: "muted" }, asked ? "of passages found in the cache" : "No question yet"),
			),
			bar(`${whole(stats.cache_hits)} passages found, ${whole(stats.cache_misses)} not`, [
				["warm", stats.cache_hits, `${count(stats.cache_hits, "passage")} found`],
				["cold", stats.cache_misses, `${count(stats.cache_misses, "passage")} tokenized`],
			]),
			figures(stats, asked),
			history(past),
			h(
				"p",
				{ class: "actions" },
				button("Warm", () => this.#warm(agent.name)),
				button("Clear", () => this.#clear(agent.name), "danger"),
			),
		);
	}

	// What the person asks most is computed in every engine. It can take minutes.
	async #warm(agent) {
		fill(
			this.#result,
			waiting(`Warming ${agent ? agentOf(agent).title : "all agents"}: this can take a while…`),
		);
		try {
			const warmed = await call("v1/cache/warm", { body: agent ? { agent } : {} });
			const told = Object.entries(warmed).map(
				([name, one]) =>
					`${agentOf(name).title}: ${count(one.prompts, "prompt")}, ${whole(one.prefilled_tokens)} tokens computed, ${whole(one.cached_tokens)} already there.`,
			);
			fill(this.#result, success(told.join(" ")));
		} catch (error) {
			fill(this.#result, failure(error));
		}
		this.#load();
	}

	async #clear(agent) {
		const whose = agent ? `of ${agentOf(agent).title}` : "of all agents";
		const text = `The cached token ids ${whose} will be deleted. Documents stay; the next questions are tokenized again.`;
		if (!(await confirmed("Clear the cache?", text, "Clear"))) return;
		try {
			const { cleared } = await call("v1/cache/clear", { body: agent ? { agent } : {} });
			fill(this.#result, success(`${count(cleared, "cached passage was", "cached passages were")} deleted.`));
		} catch (error) {
			fill(this.#result, failure(error));
		}
		this.#load();
	}
}

function figures(stats, asked) {
	const rows = {
		"Prompts found whole": asked ? percent(stats.request_hit_rate) : "–",
		"Found / tokenized": `${whole(stats.cache_hits)} / ${whole(stats.cache_misses)}`,
		"Tokens kept": whole(stats.total_tokens_cached),
		"Size in Redis": `${decimal(stats.cache_size_mb)} MB`,
		"Mean time to a found prompt": stats.avg_hit_latency_ms ? milliseconds(stats.avg_hit_latency_ms) : "–",
		"Mean time to another": stats.avg_miss_latency_ms ? milliseconds(stats.avg_miss_latency_ms) : "–",
	};
	return h(
		"dl",
		{ class: "figures" },
		Object.entries(rows).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
	);
}

customElements.define("wl-cache", Cache);
