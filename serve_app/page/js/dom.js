// Builds elements. Text is always a text node, never markup.

const AS_PROPERTY = new Set(["value", "checked", "ledger", "path", "hidden", "disabled", "open"]);

export function h(tag, props = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(props)) {
		if (value === undefined || value === null || value === false) continue;
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else if (AS_PROPERTY.has(name)) element[name] = value;
		else element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...shown(children));
	return element;
}

// Replaces what an element holds.
export function fill(element, ...children) {
	element.replaceChildren(...shown(children));
	return element;
}

// A button; `kind` is "primary", "quiet", "danger" or nothing.
export function button(label, onclick, kind = "", props = {}) {
	return h("button", { type: "button", class: `button ${kind}`, onclick, ...props }, label);
}

export function svg(tag, props, ...children) {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
	element.append(...children);
	return element;
}

function shown(children) {
	return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
