// Shows changes as they are committed: server-sent events, each with the position of the change as its id and the event
// of GET /api/v1/events as JSON. Everything is put into the page as text, never as HTML.
const shown = 100; // the latest changes that the list keeps
const list = document.getElementById("events");
const state = document.getElementById("state");
const pause = document.getElementById("pause");

let waiting = []; // changes not yet in the list, oldest first
let paused = false;
let scheduled = false;

function say(text, connected = false) {
  if (state.textContent !== text) state.textContent = text; // it is read out when it changes
  state.classList.toggle("on", connected);
}

function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

// subject names what a change is about.
function subject(event) {
  const payload = event.payload ?? {};
  switch (event.type.split(".")[0]) {
    case "evaluations": {
      const results = Object.values(payload.policies ?? {}).flatMap((counts) => Object.values(counts));
      return count(results.reduce((sum, n) => sum + n, 0), "evaluation");
    }
    case "costs":
      return `${count(payload.costs, "cost")} from ${payload.from} to ${payload.to}`;
  }
  return payload.name ?? event.stream_id;
}

function item(event) {
  const li = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = event.occurred_at;
  time.textContent = event.occurred_at.slice(11, 19);
  const type = document.createElement("span");
  type.textContent = event.type.replace(".", " ");
  const about = document.createElement(event.type.startsWith("resource.") ? "a" : "span");
  about.textContent = subject(event);
  if (about.tagName === "A") about.href = list.dataset.resource.replace("{id}", encodeURIComponent(event.stream_id));
  li.append(time, type, about);
  return li;
}

// draw puts what came since the last frame into the list, so that a burst costs one layout.
function draw() {
  scheduled = false;
  if (paused) return;
  list.prepend(...waiting.slice(-shown).reverse().map(item));
  waiting = [];
  while (list.children.length > shown) list.lastElementChild.remove();
}

function take(message) {
  let event;
  try {
    event = JSON.parse(message.data);
  } catch {
    return; // not a change
  }
  if (typeof event?.type !== "string" || typeof event.occurred_at !== "string") return;
  waiting.push(event);
  if (waiting.length > shown) waiting = waiting.slice(-shown);
  if (paused) pause.textContent = `Continue (${waiting.length} waiting)`;
  if (!paused && !scheduled) {
    scheduled = true;
    requestAnimationFrame(draw);
  }
}

const stream = new EventSource(list.dataset.stream);
stream.addEventListener("message", take);
stream.addEventListener("open", () => {
  pause.hidden = false;
  say("Connected. Changes appear here as they happen.", true);
});
stream.addEventListener("error", () => {
  if (stream.readyState === EventSource.CLOSED) {
    pause.hidden = true;
    say("This server sends no live changes. Reload the page to see what has changed since.");
  } else {
    say("The connection was lost. Connecting again…");
  }
});
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Continue" : "Pause";
  if (!paused) draw();
});
say("Connecting…");
