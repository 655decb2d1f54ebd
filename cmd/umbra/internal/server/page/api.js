// The server's API: requests with the key, if there is one, and streams of events.

let key = "";
try { key = sessionStorage.getItem("umbra.key") ?? ""; } catch { /* storage may be forbidden */ }

export const apiKey = () => key;

export function setKey(value) {
  key = value.trim();
  try { sessionStorage.setItem("umbra.key", key); } catch { /* it is kept as long as the page is */ }
}

// Refused is an answer that is an error; status 401 asks for a key.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// ask sends a request, and gives its response if that is no error.
export async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = "Bearer " + key;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  if (response.ok) return response;
  let message = `the server answered ${response.status}`;
  try { message = (await response.json()).error.message; } catch { /* not the server's own error */ }
  throw new Refused(response.status, message);
}

// events gives what a response's server-sent events hold, as it comes.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        if (!part.startsWith("data: ")) continue; // a comment
        const data = part.slice(6);
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw new Refused(500, event.error.message);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
