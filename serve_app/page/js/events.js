// Server-sent events of a response's body.

export async function* eventsOf(response) {
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const frames = (rest + value).split("\n\n");
		rest = frames.pop();
		for (const frame of frames) yield eventOf(frame);
	}
}

function eventOf(frame) {
	const event = { name: "message", data: "" };
	for (const line of frame.split("\n")) {
		if (line.startsWith("event: ")) event.name = line.slice(7);
		if (line.startsWith("data: ")) event.data += line.slice(6);
	}
	return event;
}
