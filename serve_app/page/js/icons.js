// Icons as strokes in a square of 24.

import { svg } from "./dom.js";

const PATHS = {
	ask: "M4 5h16v11H10l-5 4v-4H4z",
	knowledge: "M5 4h6a2 2 0 0 1 2 2v14a2 2 0 0 0-2-2H5zM19 4h-4a2 2 0 0 0-2 2v14a2 2 0 0 1 2-2h4z",
	cache: "M12 3l8 4-8 4-8-4zM4 12l8 4 8-4M4 17l8 4 8-4",
	records: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
	settings: "M4 7h9M17 7h3M4 17h3M11 17h9M13 5v4M7 15v4",
	upload: "M12 16V4M7 9l5-5 5 5M4 20h16",
	again: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
};

export function icon(name) {
	return svg(
		"svg",
		{ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" },
		svg("path", { d: PATHS[name] }),
	);
}
