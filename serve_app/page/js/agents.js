// The agents that this page knows by name: how each is asked, what it reads, and questions to begin with.

const KNOWN = {
	support: {
		title: "Support",
		about: "How the product works",
		collection: "support_kb",
		path: "v1/support/answer",
		body: (question) => ({ query: question }),
		examples: [
			"How do I cancel my subscription?",
			"How do I reset a forgotten password?",
			"I lost the phone that shows my sign-in codes. What can I do?",
			"How do I restore a deleted file?",
			"How do I invite people to my workspace?",
		],
	},
	documentation: {
		title: "Documentation",
		about: "API, guides and tutorials",
		collection: "documentation",
		path: "v1/documentation/lookup",
		body: (question) => ({ query: question }),
		examples: [
			"How do I authenticate API requests?",
			"How do I check a webhook signature in Node.js?",
			"How do I stay below the rate limit?",
			"How does pagination work?",
			"How do I upload a large file in parts?",
		],
	},
	business: {
		title: "Business",
		about: "What earlier ventures teach",
		collection: "business_templates",
		path: "v1/business/templates/recall",
		// Its own route takes a type of business. Other questions go to the chat route.
		body: (question) => (TYPES[question] ? { business_type: TYPES[question] } : null),
		examples: [
			"What do the SaaS templates teach?",
			"What do the subscription box templates teach?",
			"What do the mobile app templates teach?",
			"How did a shift planner for clinics find its first customers?",
			"How does a service for borrowing tools from neighbors earn money?",
		],
	},
};

const TYPES = {
	"What do the SaaS templates teach?": "saas",
	"What do the subscription box templates teach?": "subscription_box",
	"What do the mobile app templates teach?": "mobile_app",
};

// The title of each collection by its name.
export const COLLECTIONS = Object.fromEntries(
	Object.values(KNOWN).map((agent) => [agent.collection, agent.title]),
);

export function agentOf(name) {
	const unknown = { title: name, about: "", collection: null, path: null, body: () => null, examples: [] };
	return { name, ...(KNOWN[name] ?? unknown) };
}
