// Forms: labelled fields, and errors at the field that they are about.

import { fill, h } from "./dom.js";
import { failure } from "./notice.js";

// A field is { name, label, kind, options, value, required, hint, ... }; `kind` is "textarea", "select" or
// a type of input. `onsubmit` gets the values that were given by name; what it raises is shown.
export function form(fields, action, onsubmit, props = {}) {
	const shown = fields.map((field) => ({ ...field, ...controlOf(field) }));
	const submit = h("button", { class: "button primary" }, action);
	const errors = h("div");
	const submitted = async (event) => {
		event.preventDefault();
		submit.disabled = true;
		fill(errors);
		shown.forEach((field) => fill(field.error));
		try {
			await onsubmit(valuesOf(shown), event.target);
		} catch (error) {
			const param = error.param?.split("[")[0]; // of an entry in a list, the list's
			fill(shown.find((field) => field.name === param)?.error ?? errors, failure(error));
		}
		submit.disabled = false;
	};
	return h(
		"form",
		{ class: "form", ...props, onsubmit: submitted },
		shown.map((field) => field.element),
		errors,
		h("p", { class: "actions" }, submit),
	);
}

// Labelled control for use outside of a form.
export function labelled(label, control, kind = "") {
	control.id ||= nextId();
	return h("div", { class: `field ${kind}` }, h("label", { for: control.id }, label), control);
}

export function select(options, value = "", onchange = null) {
	const choices = options.map((option) => (Array.isArray(option) ? option : [option, option]));
	const made = choices.map(([one, label]) => h("option", { value: one }, label));
	const control = h("select", onchange ? { onchange: () => onchange(control.value) } : {}, made);
	control.value = value;
	return control;
}

function controlOf({ name, label, kind = "text", options, value = "", hint, ...others }) {
	const id = nextId();
	const control =
		kind === "select"
			? select(options, value)
			: kind === "textarea"
				? h("textarea", { ...others, value })
				: h("input", { type: kind, ...others, value });
	control.id = id;
	control.name = name;
	if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
	const error = h("div");
	const element = h(
		"div",
		{ class: "field" },
		h("label", { for: id }, label),
		control,
		hint && h("p", { id: `${id}-hint`, class: "muted small" }, hint),
		error,
	);
	return { control, error, element };
}

function valuesOf(fields) {
	const given = fields.filter(({ control }) => control.value.trim() !== "");
	return Object.fromEntries(
		given.map(({ name, control }) => [
			name,
			control.type === "number" ? Number(control.value) : control.value.trim(),
		]),
	);
}

let made = 0;

function nextId() {
	made += 1;
	return `field-${made}`;
}
