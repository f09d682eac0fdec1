// Shows the view that the address names after "#/".

import "./ask.js";
import { fill, h } from "./dom.js";
import "./nav.js";
import { failure } from "./notice.js";
import "./turn.js";

const LATER = {
	knowledge: () => import("./knowledge.js"),
	cache: () => import("./cache.js"),
	records: () => import("./records.js"),
	settings: () => import("./settings.js"),
};
// What a person may take for a view: they are tabs of one.
const TABS = ["tickets", "report", "templates", "ideas"];
const main = document.getElementById("main");
const nav = document.querySelector("wl-nav");
let ask = h("wl-ask");
let wantedKey = "";

async function show() {
	const [name, ...path] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
	if (TABS.includes(name)) return location.replace(["#/records", name, ...path].join("/"));
	const view = name in LATER ? name : "ask";
	nav.current = view;
	document.title = `${view.charAt(0).toUpperCase()}${view.slice(1)} – Warmline`;
	try {
		await LATER[view]?.();
		fill(main, view === "ask" ? ask : made(view, path));
	} catch (error) {
		fill(main, failure(error));
	}
	scrollTo(0, 0);
}

async function follow() {
	await show();
	main.querySelector("h1")?.focus({ preventScroll: true });
}

function made(view, path) {
	const element = document.createElement(`wl-${view}`);
	element.path = path;
	if (view === "settings") element.reason = wantedKey;
	wantedKey = "";
	return element;
}

addEventListener("hashchange", follow);
document.querySelector(".skip").addEventListener("click", (event) => {
	event.preventDefault(); // the address names the view
	main.focus();
});
addEventListener("warmline-unauthorized", ({ detail }) => {
	wantedKey = detail.replace(/\.$/, "");
	if (location.hash !== "#/settings") location.hash = "#/settings";
});
// Another key may belong to another tenant, whose conversation this is not.
addEventListener("warmline-access", () => {
	ask = h("wl-ask");
});
show();
