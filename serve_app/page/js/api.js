// Calls of the API. Every failure is an ApiError whose message can be shown.

import { accessHeaders } from "./access.js";

export class ApiError extends Error {
	constructor(message, status = 0, param = null) {
		super(message);
		this.status = status;
		this.param = param;
	}
}

// GET without a body, else POST; the JSON of the response, or null without one.
export async function call(path, { method, body, query, signal } = {}) {
	const response = await send(path, { method, body, query, signal });
	return response.status === 204 ? null : response.json();
}

// The response itself, once its status says that it is one.
export async function send(path, { method, body, query, signal } = {}) {
	const options = { method: method ?? (body === undefined ? "GET" : "POST"), signal };
	options.headers = accessHeaders();
	if (body !== undefined) {
		options.headers["Content-Type"] = "application/json";
		options.body = JSON.stringify(body);
	}
	let response;
	try {
		response = await fetch(`${path}${queryOf(query)}`, options);
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new ApiError("The server can't be reached. Is it running?");
	}
	if (!response.ok) throw refused(response.status, await response.text());
	return response;
}

// The error of a response. A 401 also leads to where the key is entered.
export function refused(status, text) {
	const told = parsed(text)?.error;
	const error = new ApiError(told?.message ?? `The server answered ${status}.`, status, told?.param ?? null);
	if (status === 401) dispatchEvent(new CustomEvent("warmline-unauthorized", { detail: error.message }));
	return error;
}

export function queryOf(query = {}) {
	const given = Object.entries(query).filter(
		([, value]) => value !== "" && value !== null && value !== undefined,
	);
	return given.length ? `?${new URLSearchParams(given)}` : "";
}

function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}
