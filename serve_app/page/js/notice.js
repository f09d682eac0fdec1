// Messages to the person who reads: errors and results.

import { h } from "./dom.js";

export function failure(error) {
	return h("p", { class: "notice failure", role: "alert" }, error.message);
}

export function success(text) {
	return h("p", { class: "notice success", role: "status" }, text);
}

export function waiting(text = "Loading…") {
	return h("p", { class: "muted waiting", role: "status" }, text);
}

export function empty(text) {
	return h("p", { class: "empty" }, text);
}
