// Talking with the server that this page comes from.

const kKey = "api-key";
let ask_for_key = async () => null;

/** `ask(was_wrong)` gives a key and whether to remember it, or null. */
export function set_key_dialog(ask) {
  ask_for_key = ask;
}

function headers_with(body) {
  const headers = {};
  const key = sessionStorage.getItem(kKey) ?? localStorage.getItem(kKey);
  if (key) headers.Authorization = "Bearer " + key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return headers;
}

async function error_of(response) {
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // No JSON: the status says enough.
  }
  return Object.assign(new Error(message), {status: response.status});
}

let asking = null;  // one dialog for all requests that wait

/** A response that is well, or an error with `status`. Asks for a key where one is needed. */
export async function request(method, path, body, signal) {
  for (;;) {
    const headers = headers_with(body);
    const response = await fetch(path, {method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body)});
    if (response.ok) return response;
    if (response.status !== 401) throw await error_of(response);
    asking ??= ask_for_key("Authorization" in headers).finally(() => (asking = null));
    const given = await asking;
    if (!given) throw await error_of(response);
    sessionStorage.setItem(kKey, given.key);
    if (given.remember) localStorage.setItem(kKey, given.key);
    else localStorage.removeItem(kKey);
  }
}

export async function get(path) {
  return (await request("GET", path)).json();
}

/** The objects of a stream of server-sent events, as they come. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
  }
}

/** Saves what `path` answers as a file. */
export async function download(path) {
  const response = await request("GET", path);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "conversation";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
