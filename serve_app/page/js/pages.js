// A list that comes in pages, with a button for the next one.

import { button, fill, h } from "./dom.js";
import { empty, failure, waiting } from "./notice.js";

// `load(after)` resolves to { items, next }; `row(item)` makes the element of one. `list` holds the rows.
export function paged(load, row, list, nothing) {
	const foot = h("div", { class: "pages" });
	const more = async (after) => {
		fill(foot, waiting());
		try {
			const { items, next } = await load(after);
			list.append(...items.map(row));
			fill(foot, next ? button("Show more", () => more(next)) : list.children.length === 0 && empty(nothing));
		} catch (error) {
			fill(
				foot,
				failure(error),
				button("Try again", () => more(after)),
			);
		}
	};
	more(null);
	return foot;
}
