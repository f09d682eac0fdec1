// Numbers, times and durations as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const TWO = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export const whole = (number) => WHOLE.format(number);
export const decimal = (number) => TWO.format(number);
export const percent = (number) => `${ONE.format(number)} %`;
export const moment = (iso) => MOMENT.format(new Date(iso));
export const unixMoment = (seconds) => MOMENT.format(new Date(seconds * 1000));

export function milliseconds(ms) {
	if (ms >= 10_000) return `${ONE.format(ms / 1000)} s`;
	return `${ms >= 100 ? WHOLE.format(ms) : ms >= 1 ? ONE.format(ms) : TWO.format(ms)} ms`;
}

export function duration(seconds) {
	if (seconds === null || seconds === undefined) return "–";
	if (seconds < 60) return `${ONE.format(seconds)} s`;
	if (seconds < 3600) return `${ONE.format(seconds / 60)} min`;
	return `${ONE.format(seconds / 3600)} h`;
}

export function count(number, one, many = `${one}s`) {
	return `${whole(number)} ${number === 1 ? one : many}`;
}

// "information_requested" as "Information requested".
export function words(name) {
	const text = name === "saas" ? "SaaS" : name.replaceAll(/[_-]/g, " ");
	return text.charAt(0).toUpperCase() + text.slice(1);
}
