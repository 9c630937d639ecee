// Requests to the study's own server. The invite is the part of the address after "#", which browsers never send; it
// goes into a header instead, so that no other page can act for the rater.

const invite = location.hash.slice(1);

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(path, options = {}) {
  const headers = { Authorization: `Bearer ${invite}`, "X-Genwright": "1", ...options.headers };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Refusal(response.status, told.error || "the server could not answer");
  }
  return response;
}

export const invited = () => invite !== "";

export const read = async (path) => (await request(path)).json();

export const bytes = async (id) => (await request(`/api/stimulus/${id}`)).arrayBuffer();

export async function send(path, value = {}) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(value) })).json();
}

const lost = document.getElementById("connection");
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// Try until the server takes it: what it refuses is not tried again, what fails on the way is, and the page says so.
// Sending an answer twice does no harm, as the server keeps the first.
export async function insist(attempt) {
  for (let seconds = 1; ; seconds = Math.min(2 * seconds, 15)) {
    try {
      const result = await attempt();
      lost.hidden = true;
      return result;
    } catch (error) {
      if (error instanceof Refusal && error.status !== 503) throw error;
      lost.hidden = false;
      await pause(seconds);
    }
  }
}
