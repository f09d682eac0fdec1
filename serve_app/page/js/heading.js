// What every view begins with.

import { h } from "./dom.js";

export function heading(title, about = null, ...actions) {
	const words = h("div", {}, h("h1", { tabindex: -1 }, title), about && h("p", { class: "muted" }, about));
	return h("header", { class: "view-head" }, words, actions);
}
