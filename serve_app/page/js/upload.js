// Sends one file. XMLHttpRequest, because fetch can't say how much of a body was sent.

import { accessHeaders } from "./access.js";
import { ApiError, queryOf, refused } from "./api.js";

// Resolves to what the server did. `labels` are the query parameters: section, metadata. `told` is called with the share that was sent.
export function store(collection, id, file, type, labels, told) {
	return new Promise((resolve, reject) => {
		const request = new XMLHttpRequest();
		request.open(
			"PUT",
			`v1/collections/${collection}/documents/${encodeURIComponent(id)}${queryOf(labels)}`,
		);
		for (const [name, value] of Object.entries(accessHeaders())) request.setRequestHeader(name, value);
		request.setRequestHeader("Content-Type", type);
		request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
		request.upload.onload = () => told(1);
		request.onerror = () => reject(new ApiError("The server can't be reached, or it ended the connection."));
		request.onload = () => {
			if (request.status < 300) resolve(JSON.parse(request.responseText));
			else reject(refused(request.status, request.responseText));
		};
		request.send(file);
	});
}
