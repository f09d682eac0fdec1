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
const main = document.getElementById("main");
const nav = document.querySelector("wl-nav");
let ask = h("wl-ask");
let wantedKey = "";

async function show() {
	const address = location.hash.replace(/^#\/?/, "");
	const [name, ...path] = address.split("/").map(decodeURIComponent);
	const view = name in LATER ? name : "ask";
	nav.current = view;
	document.title = `${view.charAt(0).toUpperCase()}${view.slice(1)} – Warmline`;
	try {
		if (await isTabOfRecords(name)) return location.replace(`#/records/${address}`);
		await LATER[view]?.();
		fill(main, view === "ask" ? ask : made(view, path));
	} catch (error) {
		fill(main, failure(error));
	}
	scrollTo(0, 0);
}

// A person may take a tab for a view.
async function isTabOfRecords(name) {
	if (name in LATER || ["", "ask"].includes(name)) return false;
	const { TABS } = await LATER.records();
	return Object.hasOwn(TABS, name);
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
