// Who asks: the API key or the tenant. Both stay in this tab and are gone when it closes.

const KEY = "warmline-key";
const TENANT = "warmline-tenant";

export const access = {
	get key() {
		return sessionStorage.getItem(KEY) ?? "";
	},
	get tenant() {
		return sessionStorage.getItem(TENANT) ?? "";
	},
	keep(key, tenant) {
		keepOne(KEY, key);
		keepOne(TENANT, tenant);
	},
};

// The key decides on the tenant, so both are never sent together.
export function accessHeaders() {
	if (access.key) return { Authorization: `Bearer ${access.key}` };
	return access.tenant ? { "X-Business-Id": access.tenant } : {};
}

function keepOne(name, value) {
	if (value) sessionStorage.setItem(name, value);
	else sessionStorage.removeItem(name);
}
